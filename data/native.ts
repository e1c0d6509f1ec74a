// Finds libtensorflow, the native engine, and fetches it on first use: the Python wheel of a pinned
// version is downloaded with pip or uv, its hash checked, and only the two libraries are kept, in the
// user's cache folder. core/engine opens what this returns; without it WebAssembly computes.
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { CorruptFileError, StorageError } from "../core/errors.ts";
import { DownloadError, downloadWheel, type PinnedWheel } from "./pip.ts";
import {
  cleanTemporary,
  commitFolder,
  createTemporaryFolder,
  reportingStorage,
  writeFileAtomic,
} from "./store/atomic.ts";
import { decodeJson, encodeJson } from "./store/json.ts";
import { extractEntry, hashFile, readZipDirectory } from "./wheel.ts";

/** File names of the two libraries; the framework is the one to open first. */
export const LIBRARIES = ["libtensorflow_framework.so.2", "libtensorflow_cc.so.2"] as const;

const VERSION = "2.21.0";
const MANIFEST = "manifest.json";
const EDGE = 1 << 20;

// The wheels hold no Python-dependent part of what is taken, so any CPython tag would do.
const pins: Record<string, Pick<PinnedWheel, "package" | "bytes" | "sha256">> = {
  "x86_64 cpu": {
    package: "tensorflow-cpu",
    bytes: 273_829_956,
    sha256: "2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c",
  },
  "x86_64 gpu": {
    package: "tensorflow",
    bytes: 572_440_367,
    sha256: "9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124",
  },
  "aarch64 cpu": {
    package: "tensorflow",
    bytes: 281_828_020,
    sha256: "4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c",
  },
};

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const Manifest = z.strictObject({
  format: z.literal("panacea-libtensorflow"),
  version: z.string(),
  gpu: z.boolean(),
  wheel: Sha256,
  // Whole-file hashes take seconds; the hashes of the first and last MiB are checked at each start.
  files: z.record(
    z.enum(LIBRARIES),
    z.strictObject({ size: z.number().int(), sha256: Sha256, head: Sha256, tail: Sha256 }),
  ),
});
type Manifest = z.infer<typeof Manifest>;

/** Where the libraries lie, or why there are none, in one line. */
export type NativeLibrary =
  | { directory: string; version: string; gpu: boolean }
  | { missing: string };

/** How `findLibtensorflow` looks. */
export interface FindOptions {
  /** Reads an environment variable: LIBTENSORFLOW_DIR, XDG_CACHE_HOME, HOME, PATH. */
  env: (name: string) => string | undefined;
  /** Called with what is being done and, where known, its share done in [0, 1]. */
  onProgress: (message: string, fraction?: number) => void;
  /** Fetch the libraries where they are missing or broken. */
  download?: boolean;
  /** Hash the libraries wholly (seconds): after they failed to open, or in `doctor`. */
  thorough?: boolean;
  /** The wheel to use instead of the one pinned for this machine. */
  wheel?: PinnedWheel & { gpu: boolean };
}

/**
 * The folder of an intact libtensorflow: LIBTENSORFLOW_DIR where set (its version is not known
 * here, and it is not checked), else the user's cache folder, filled by a download where allowed.
 * Broken files there are removed and fetched again; processes that fetch at once wait for the first.
 */
export async function findLibtensorflow(options: FindOptions): Promise<NativeLibrary> {
  const { env, download = true, thorough = false, wheel = pinnedWheel() } = options;
  const own = env("LIBTENSORFLOW_DIR");
  if (own) return await fromFolder(own);
  if (!wheel) {
    return missing(`no build for ${Deno.build.os} on ${Deno.build.arch} is known`);
  }
  const cache = cacheFolder(env);
  if (!cache) return missing("neither HOME nor XDG_CACHE_HOME is set");
  const directory = join(cache, `libtensorflow-${wheel.version}-${wheel.gpu ? "gpu" : "cpu"}`);
  const found = { directory, version: wheel.version, gpu: wheel.gpu };
  const damage = await findDamage(directory, { thorough });
  if (!damage) return found;
  if (!download) return missing(`${damage}, and downloading is switched off`);
  try {
    await fetchOnce(cache, { directory, wheel, options });
    return found;
  } catch (error) {
    if (!isExpected(error)) throw error;
    return missing(error.message);
  }
}

/**
 * What is wrong with the libraries in a cache folder, in one line, or null.
 *
 * @param options.thorough hash all bytes rather than size, first and last MiB
 */
export async function findDamage(
  directory: string,
  { thorough = false }: { thorough?: boolean } = {},
): Promise<string | null> {
  const path = join(directory, MANIFEST);
  try {
    const { files } = decodeJson(await Deno.readFile(path), { schema: Manifest, path });
    for (const name of LIBRARIES) {
      const library = join(directory, name);
      const { size, sha256, head, tail } = files[name];
      const found = (await Deno.stat(library)).size;
      if (found !== size) return `${library} has ${found} bytes instead of ${size}`;
      const intact = thorough
        ? await hashFile(library) === sha256
        : await hashFile(library, { to: EDGE }) === head &&
          await hashFile(library, { from: Math.max(0, size - EDGE) }) === tail;
      if (!intact) return `${library} is damaged`;
    }
    return null;
  } catch (error) {
    if (error instanceof CorruptFileError) return `${path} is damaged`;
    if (error instanceof Deno.errors.NotFound) return `libtensorflow is not in ${directory}`;
    return `${directory} cannot be read: ${error instanceof Error ? error.message : error}`;
  }
}

async function fetchOnce(
  cache: string,
  { directory, wheel, options }: {
    directory: string;
    wheel: PinnedWheel & { gpu: boolean };
    options: FindOptions;
  },
): Promise<void> {
  await reportingStorage(cache, 0, () => Deno.mkdir(cache, { recursive: true }));
  const lockPath = join(cache, "lock");
  // The kernel's lock goes with its process, so the file itself may stay.
  using lock = await reportingStorage(
    lockPath,
    0,
    () => Deno.open(lockPath, { write: true, create: true }),
  );
  if (!(await lock.tryLock(true))) {
    options.onProgress("waiting for another process that is fetching libtensorflow");
    await lock.lock(true);
  }
  const damage = await findDamage(directory, options);
  if (!damage) return;
  options.onProgress(damage);
  await reportingStorage(directory, 0, async () => {
    await cleanTemporary(cache);
    await Deno.remove(directory, { recursive: true }).catch(() => {});
  });
  await fetchInto(directory, wheel, options);
}

async function fetchInto(
  directory: string,
  wheel: PinnedWheel & { gpu: boolean },
  { env, onProgress }: FindOptions,
): Promise<void> {
  const temporary = await reportingStorage(directory, 0, () => createTemporaryFolder(directory));
  try {
    const downloads = join(temporary, "download");
    await Deno.mkdir(downloads);
    const message = `downloading libtensorflow ${wheel.version} (${wheel.gpu ? "GPU" : "CPU"}, ${
      Math.ceil(wheel.bytes / 1e6)
    } MB)`;
    const zip = await downloadWheel(wheel, {
      folder: downloads,
      path: env("PATH"),
      onBytes: (bytes) => onProgress(message, Math.min(1, bytes / wheel.bytes)),
    });
    const files = await unpackLibraries(zip, temporary, { onProgress });
    await reportingStorage(directory, 0, () => Deno.remove(downloads, { recursive: true }));
    const manifest: Manifest = {
      format: "panacea-libtensorflow",
      version: wheel.version,
      gpu: wheel.gpu,
      wheel: wheel.sha256,
      files,
    };
    await writeFileAtomic(
      join(temporary, MANIFEST),
      encodeJson(manifest, { name: MANIFEST }) + "\n",
    );
    await reportingStorage(directory, 0, () => commitFolder(temporary, directory));
  } catch (error) {
    await Deno.remove(temporary, { recursive: true }).catch(() => {});
    throw error;
  }
}

async function unpackLibraries(
  zip: string,
  folder: string,
  { onProgress }: Pick<FindOptions, "onProgress">,
): Promise<Manifest["files"]> {
  const entries = await readZipDirectory(zip);
  const unpack = async (name: typeof LIBRARIES[number]) => {
    const entry = entries.find((entry) => entry.name === `tensorflow/${name}`);
    if (!entry) {
      throw new CorruptFileError(
        `Cannot unpack ${zip}: expected tensorflow/${name} in it, got none`,
      );
    }
    const target = join(folder, name);
    const sha256 = await extractEntry(zip, entry, {
      target,
      onBytes: (written) => onProgress(`unpacking ${name}`, written / entry.size),
    });
    const head = await hashFile(target, { to: EDGE });
    const tail = await hashFile(target, { from: Math.max(0, entry.size - EDGE) });
    return { size: entry.size, sha256, head, tail };
  };
  const [framework, cc] = LIBRARIES;
  return { [framework]: await unpack(framework), [cc]: await unpack(cc) };
}

async function fromFolder(directory: string): Promise<NativeLibrary> {
  for (const name of LIBRARIES) {
    const stat = await Deno.stat(join(directory, name)).catch(() => null);
    if (!stat?.isFile) {
      return { missing: `LIBTENSORFLOW_DIR names ${directory}, but there is no ${name} in it` };
    }
  }
  return { directory, version: "unknown", gpu: hasNvidiaDriver() };
}

function pinnedWheel(): (PinnedWheel & { gpu: boolean }) | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const { arch } = Deno.build;
  const gpu = arch === "x86_64" && hasNvidiaDriver();
  const pin = pins[`${arch} ${gpu ? "gpu" : "cpu"}`];
  if (!pin) return undefined;
  const platform = `manylinux_2_27_${arch}`;
  const file = `${pin.package.replace("-", "_")}-${VERSION}-cp311-cp311-${platform}.whl`;
  return { ...pin, version: VERSION, file, python: "3.11", platform, gpu };
}

function hasNvidiaDriver(): boolean {
  try {
    return Deno.statSync("/proc/driver/nvidia/version").isFile;
  } catch {
    return false; // no driver, or no permission to look
  }
}

function cacheFolder(env: FindOptions["env"]): string | null {
  const home = env("HOME");
  const cache = env("XDG_CACHE_HOME") || (home ? join(home, ".cache") : "");
  return isAbsolute(cache) ? join(cache, "panacea") : null;
}

function missing(why: string): NativeLibrary {
  return {
    missing: `${why}; install Python 3 with pip and connect to the network once, ` +
      "or set LIBTENSORFLOW_DIR to a folder with libtensorflow_cc.so.2",
  };
}

function isExpected(error: unknown): error is Error {
  return error instanceof DownloadError || error instanceof StorageError ||
    error instanceof CorruptFileError || error instanceof Deno.errors.NotCapable;
}
