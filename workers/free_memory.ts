// Whether a model fits into this machine, asked before its weights are read.
import type { Engine } from "../core/engine/engine.ts";
import { InputError } from "../core/errors.ts";
import { heldBytes } from "../core/footprint/model.ts";
import type { DecoderConfig } from "../core/models/config.ts";

/** Throws InputError where an engine that computes in this machine's memory cannot hold a model. */
export function requireRoom(
  { devices, dtype }: Engine,
  { name, config }: { name: string; config: DecoderConfig },
): void {
  if (devices.some((device) => /gpu/i.test(device))) return; // with a memory of its own
  requireMemory(name, heldBytes(config, dtype === "bfloat16" ? 2 : 4));
}

/**
 * Throws InputError, saying how many bytes are needed, where weights are larger than the memory that
 * nothing else uses (bytes).
 */
export function requireMemory(
  model: string,
  bytes: number,
  free = Deno.systemMemoryInfo().available,
): void {
  if (bytes <= free) return;
  throw new InputError(
    `Cannot load model ${model}: expected weights that fit into the ${
      gibibytes(free)
    } GiB of free ` +
      `memory, got ${gibibytes(bytes)} GiB (${bytes} bytes)`,
  );
}

function gibibytes(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}
