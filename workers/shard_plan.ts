// Which device and how many threads each shard of a run gets.
import type { RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";

/** What one shard computes with. */
export interface ShardPlan {
  name: string; // "shard 2 of 4 (gpu:1)"
  device: string;
  threads: number;
}

/**
 * Devices in turn, of the list in `device` or, where it is auto, of the GPUs among `devices`; cores
 * evenly unless `threads` says how many each gets. Throws InputError for an empty name in the list
 * and for more names than shards.
 */
export function planShards(
  { shards, device, threads }: Pick<RunConfig, "shards" | "device" | "threads">,
  { cores, devices }: { cores: number; devices: string[] },
): ShardPlan[] {
  const listed = deviceNames(device);
  if (listed.includes("") || listed.length > shards) {
    throw new InputError(
      `Cannot deal out devices: expected at most one for each of ${shards} shards, ` +
        `got ${JSON.stringify(device)}`,
    );
  }
  const gpus = devices.filter((name) => name.startsWith("gpu"));
  const choices = device === "auto" && gpus.length > 0 ? gpus : listed;
  return Array.from({ length: shards }, (_, i) => {
    const own = choices[i % choices.length] ?? "auto";
    const share = Math.floor(cores / shards) + (i < cores % shards ? 1 : 0);
    return {
      name: `shard ${i + 1} of ${shards} (${own})`,
      device: own,
      threads: threads > 0 ? threads : Math.max(1, share),
    };
  });
}

/** The names in a list such as `gpu:0,gpu:1`. */
export function deviceNames(device: string): string[] {
  return device.split(",").map((name) => name.trim());
}
