// Log-probabilities of the reference policy, computed once and kept under a content hash: training
// and every front of the same model and data read them instead of running the model again.
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { DivergedError } from "../../core/errors.ts";
import { reportingStorage, writeFileAtomic } from "./atomic.ts";
import { sha256 } from "./manifest.ts";

// File: 8 bytes magic, 32 bytes sha256 of key and values, then float32 values, little endian.
const MAGIC = new TextEncoder().encode("PANAREF1");
const HEADER = MAGIC.length + 32;

/** Arrays of float32 under content keys. */
export interface ReferenceCache {
  /** The values saved under `key`, or null; a damaged file counts as absent and is removed. */
  load(key: string): Promise<Float32Array | null>;
  /** Keeps values under `key`; throws `DivergedError` or `StorageError`. */
  save(key: string, values: Float32Array): Promise<void>;
}

/**
 * A cache in a folder, which is made on the first save. Several processes may share it.
 *
 * @param folder where the files lie; a key must name everything that determines the values
 */
export function referenceCache(folder: string): ReferenceCache {
  const place = (key: string) => join(folder, `${sha256(key)}.f32`);
  return {
    async load(key) {
      const path = place(key);
      const bytes = await Deno.readFile(path).catch((error) => {
        if (error instanceof Deno.errors.NotFound) return null;
        throw error;
      });
      if (!bytes) return null;
      const values = decode(key, bytes);
      if (!values) await Deno.remove(path).catch(() => {});
      return values;
    },
    async save(key, values) {
      const bad = values.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0) {
        throw new DivergedError(
          `Cannot save reference log-probabilities: expected finite values, got ${
            values[bad]
          } at element ${bad}`,
        );
      }
      const path = place(key);
      await reportingStorage(path, values.byteLength + HEADER, async () => {
        await Deno.mkdir(dirname(path), { recursive: true });
      });
      await writeFileAtomic(path, encode(key, values));
    },
  };
}

function encode(key: string, values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(HEADER + values.byteLength);
  bytes.set(MAGIC);
  const view = new DataView(bytes.buffer, HEADER);
  values.forEach((value, i) => view.setFloat32(4 * i, value, true));
  bytes.set(digest(key, bytes.subarray(HEADER)), MAGIC.length);
  return bytes;
}

function decode(key: string, bytes: Uint8Array): Float32Array | null {
  const payload = bytes.subarray(HEADER);
  if (bytes.length < HEADER || payload.length % 4 !== 0) return null;
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) return null;
  if (!digest(key, payload).every((byte, i) => bytes[MAGIC.length + i] === byte)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + HEADER, payload.length);
  return Float32Array.from({ length: payload.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

function digest(key: string, payload: Uint8Array): Uint8Array {
  return createHash("sha256").update(key).update("\0").update(payload).digest();
}
