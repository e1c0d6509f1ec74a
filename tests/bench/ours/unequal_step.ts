// DPO steps of ours on the HH pairs of unequal length that ../shared/bench/peer_trl_dpo.py takes, with
// the reference pass of each step's pairs: one JSON line of seconds per step. Arguments: model, data,
// steps, pairs a step. A process of its own; the first step compiles and is for the reader to leave out.
import { printResult } from "../../../commands/output.ts";
import { pairSequences } from "../../../core/front/evaluate.ts";
import { rowLengthFor } from "../../../core/text/pack.ts";
import { batch } from "../shape.ts";
import { openHhPairs } from "./hh_pairs.ts";
import { openStep, startSteps, stepConfig } from "./step.ts";

const [model = "", data = "", ...numbers] = Deno.args;
const [count = NaN, pairsAStep = NaN] = numbers.map(Number);
const { weights, pairs, close } = await openHhPairs(model, data, count * pairsAStep);
const { parts, scoreReference, dispose } = await openStep({
  ...{ weights, pairs },
  dimensions: ["helpful"],
  rowLength: rowLengthFor(pairSequences(pairs), batch.rows * batch.length), // as runs choose it
  config: stepConfig({ pairs: pairsAStep, preferences: 0 }),
});
close();
const steps = startSteps(stepConfig({ pairs: pairsAStep, preferences: 0 }), parts);
await scoreReference(); // compiles
const before = performance.now();
await scoreReference();
const reference = secondsSince(before) / count; // of one step's pairs
for (let i = 0; i < count; i++) {
  const start = performance.now();
  await steps.step();
  printResult({ total: reference + secondsSince(start), reference });
}
await steps.end();
dispose();

function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}
