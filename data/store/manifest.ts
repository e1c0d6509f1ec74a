// manifest.json: size and sha256 of every file of a folder, and a sha256 of that list itself, so
// that a truncated, altered or exchanged file (the manifest included) is refused by name on reading.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { CorruptFileError, InputError } from "../../core/errors.ts";
import { decodeJson } from "./json.ts";

export const MANIFEST = "manifest.json";
const MAX_MANIFEST_BYTES = 1 << 20;

const Digest = z.strictObject({
  size: z.number().int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
/** Size in bytes and sha256 (hex) of one file. */
export type Digest = z.infer<typeof Digest>;

// Plain names, and such in plain folders: a manifest must never lead out of its folder.
const FileName = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._-]*(\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/);
const Manifest = z.strictObject({
  format: z.literal("panacea-manifest"),
  version: z.literal(1),
  files: z.record(FileName, Digest),
  sha256: z.string(),
});

/**
 * Reads a folder written by `writeFolderAtomic` and returns its files, each checked.
 *
 * @throws {InputError} no such folder
 * @throws {CorruptFileError} naming the file that is missing, truncated or altered
 */
export async function readFolderVerified(path: string): Promise<Record<string, Uint8Array>> {
  const stat = await Deno.stat(path).catch(() => null);
  if (!stat?.isDirectory) {
    throw new InputError(
      `Cannot read ${path}: expected a folder, got ${stat ? "a file" : "nothing there"}`,
    );
  }
  return await readVerified((name) => join(path, name));
}

/** The same for files whose places `locate` tells (the manifest's included). */
export async function readVerified(
  locate: (name: string) => string,
): Promise<Record<string, Uint8Array>> {
  return await readListed(await readDigests(locate), locate);
}

/** The files that `digests` names, each checked against its own. */
export async function readListed(
  digests: Record<string, Digest>,
  locate: (name: string) => string,
): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const [name, digest] of Object.entries(digests)) {
    const path = locate(name);
    const bytes = await readFile(path, digest.size);
    const found = sha256(bytes);
    if (found !== digest.sha256) {
      throw new CorruptFileError(
        `Cannot read ${path}: expected sha256 ${digest.sha256} as in ${MANIFEST}, got ${found}`,
      );
    }
    files[name] = bytes;
  }
  return files;
}

/** Size and sha256 of every file that the manifest lists, by name; throws CorruptFileError. */
export async function readDigests(
  locate: (name: string) => string,
): Promise<Record<string, Digest>> {
  const path = locate(MANIFEST);
  return decodeManifest(await readFile(path), path);
}

/**
 * The manifest of files, as bytes. Names must be plain (no leading dot), and so must be those of the
 * folders before them.
 */
export function encodeManifest(contents: { name: string; bytes: Uint8Array }[]): Uint8Array {
  return encodeDigests(
    Object.fromEntries(
      contents.map(({ name, bytes }) => [name, { size: bytes.length, sha256: sha256(bytes) }]),
    ),
  );
}

/** The manifest of files whose digests are known, as bytes; names must be plain likewise. */
export function encodeDigests(digests: Record<string, Digest>): Uint8Array {
  for (const name of Object.keys(digests)) {
    if (!FileName.safeParse(name).success || name === MANIFEST) {
      throw new TypeError(`Cannot list ${name} in ${MANIFEST}: expected a plain file name`);
    }
  }
  return new TextEncoder().encode(encodeFiles(digests));
}

/** Sha256 of bytes, as 64 hex digits. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function encodeFiles(files: Record<string, Digest>): string {
  const manifest: z.infer<typeof Manifest> = {
    format: "panacea-manifest",
    version: 1,
    files,
    sha256: sha256(JSON.stringify(files)),
  };
  return JSON.stringify(manifest, null, 2) + "\n";
}

function decodeManifest(bytes: Uint8Array, path: string): Record<string, Digest> {
  const { files } = decodeJson(bytes, { schema: Manifest, path });
  // Our own encoder is the only writer, so every byte is determined by the list of files.
  if (encodeFiles(files) !== new TextDecoder().decode(bytes)) {
    throw new CorruptFileError(
      `Cannot read ${path}: expected a list of files that matches its own sha256, got an altered one`,
    );
  }
  return files;
}

async function readFile(path: string, size?: number): Promise<Uint8Array> {
  try {
    const stat = await Deno.stat(path);
    if (!stat.isFile) throw corrupt(path, "a file", "a folder or device");
    if (size === undefined && stat.size > MAX_MANIFEST_BYTES) {
      throw corrupt(path, `at most ${MAX_MANIFEST_BYTES} bytes`, `${stat.size}`);
    }
    if (size !== undefined && stat.size !== size) {
      throw corrupt(path, `${size} bytes as in ${MANIFEST}`, `${stat.size}`);
    }
    return await Deno.readFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw corrupt(path, "a file", "nothing there");
  }
}

function corrupt(path: string, wanted: string, found: string): CorruptFileError {
  return new CorruptFileError(`Cannot read ${path}: expected ${wanted}, got ${found}`);
}
