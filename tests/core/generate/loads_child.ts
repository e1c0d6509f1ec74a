// Loads one adapter after another, as PPO does before every rollout, decodes with each, and prints what
// is left of them as JSON: the process of loads_test.ts, whose rubbish is collected when it says so.
import { adapters } from "../../../core/adapters/mod.ts";
import type { StoredParameters } from "../../../core/adapters/parameters.ts";
import type { DecodeAdapter, Decoder } from "../../../core/generate/decoder.ts";
import { randomParameters, withDecoder } from "./decoders.ts";

/** What there is after some of the loads. */
export interface Left {
  loads: number;
  adapters: number; // not collected
  adapterBytes: number; // of one
  handles: number; // open files and sockets
  rss: number; // bytes
}

const LOADS = 200;
const EVERY = 50;

async function left(adapterBytes: number, seen: WeakRef<DecodeAdapter>[]): Promise<Left> {
  // A reference that was looked at lives until the turn ends.
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    (globalThis as unknown as { gc(): void }).gc();
  }
  return {
    loads: seen.length,
    adapters: seen.filter((reference) => reference.deref() !== undefined).length,
    adapterBytes,
    handles: [...Deno.readDirSync("/proc/self/fd")].length,
    rss: Deno.memoryUsage().rss,
  };
}

/** Answers of two rows under their own λ, as long as PPO's are short. */
async function decode(decoder: Decoder, adapter: DecodeAdapter): Promise<void> {
  const rows = [[1, 0], [0.3, 0.7]].map((preference) => decoder.start({ adapter, preference }));
  for (const row of rows) await decoder.prefill(row, [5, 6, 7]);
  for (const id of [8, 9]) await decoder.step(rows, [id, id]);
  rows.forEach((row) => row.dispose());
}

const found: Left[] = [];
await withDecoder("builtin", { threads: 1 }, async (decoder, config) => {
  const adapter = adapters.svd_lora({ rank: 62, objectives: 2, alpha: 16, init: "gaussian" });
  const first = randomParameters(adapter, config, { seed: 1 });
  const seen: WeakRef<DecodeAdapter>[] = [];
  for (let n = 1; n <= LOADS; n++) {
    const parameters: StoredParameters = new Map();
    for (const [name, { shape, values }] of first) {
      parameters.set(name, { shape, values: values.map((value) => value * (1 + n / LOADS)) });
    }
    const source = { id: `policy of step ${n}`, adapter, objectives: 2, parameters };
    const loaded = decoder.loadAdapter(source);
    await decode(decoder, loaded);
    seen.push(new WeakRef(loaded));
    if (n % EVERY === 0) found.push(await left(loaded.bytes, seen));
  }
});
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(found)));
