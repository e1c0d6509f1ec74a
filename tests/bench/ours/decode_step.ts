// What different preferences and the adapter cost in decoding: steps of a batch by turns with a λ for
// every row, with one λ for all, and without adapter, at equal lengths; one JSON line of seconds a
// step per iteration. A process of its own; the first iteration is for the reader to leave out.
import { parseArgs } from "node:util";
import { printResult } from "../../../commands/output.ts";
import { median } from "../compare.ts";
import { openDecoding, promptIds, spreadPreferences } from "./decoding.ts";

const ITERATIONS = 16;
const STEPS = 8; // of each kind per iteration
const PROMPT = 64; // tokens in every row's cache before the first step

const { values } = parseArgs({
  options: { format: { type: "string" }, rows: { type: "string" }, model: { type: "string" } },
});
const rows = Number(values.rows);
const { decoder, adapter } = await openDecoding(values);
const batches = {
  mixed: await startBatch(spreadPreferences(rows)),
  one: await startBatch(Array.from({ length: rows }, () => [0.7, 0.3])),
  without: await startBatch(Array.from({ length: rows }, () => null)),
};
const kinds = Object.keys(batches) as (keyof typeof batches)[];
const tokens = promptIds(rows);
for (let i = 0; i < ITERATIONS; i++) {
  const seconds = { mixed: 0, one: 0, without: 0 };
  // Each goes first every third time: none profits from what another left warm.
  const turns = kinds.map((_, k) => kinds[(i + k) % kinds.length] ?? "mixed");
  for (const kind of turns) seconds[kind] = await timeSteps(batches[kind]);
  printResult(seconds);
}
for (const kind of kinds) batches[kind].forEach((sequence) => sequence.dispose());
await decoder.dispose();

/** Sequences with a prompt each, one per preference; null: without adapter. */
async function startBatch(preferences: (number[] | null)[]) {
  const sequences = preferences.map((preference) =>
    decoder.start({ adapter: preference && adapter, preference: preference ?? [] })
  );
  for (const sequence of sequences) await decoder.prefill(sequence, promptIds(PROMPT));
  return sequences;
}

/** Median seconds of a few steps of a batch. */
async function timeSteps(sequences: Awaited<ReturnType<typeof startBatch>>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    const start = performance.now();
    await decoder.step(sequences, tokens);
    times.push((performance.now() - start) / 1000);
  }
  return median(times);
}
