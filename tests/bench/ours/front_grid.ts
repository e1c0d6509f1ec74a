// A front of ours on real pairs: the reference's scores and those of a random adapter at every λ of a
// grid, one JSON line of seconds for all of it. Arguments: model, data, pairs, points of the grid. A
// process of its own; nothing is compiled before.
import { pairSequences, scoreSequences } from "../../../core/front/evaluate.ts";
import { rowLengthFor } from "../../../core/text/pack.ts";
import { printResult } from "../../../commands/output.ts";
import { batch } from "../shape.ts";
import { openHhPairs } from "./hh_pairs.ts";
import { openStep, stepConfig } from "./step.ts";

const [model = "", data = "", ...numbers] = Deno.args;
const [count = NaN, points = NaN] = numbers.map(Number);
const { weights, pairs, close } = await openHhPairs(model, data, count);
const sequences = pairSequences(pairs);
const maxTokens = batch.rows * batch.length;
const rowLength = rowLengthFor(sequences, maxTokens); // as runs choose it
const { policy, scoreReference, dispose } = await openStep({
  ...{ weights, pairs, rowLength, dimensions: ["helpful", "harmless"] },
  config: stepConfig({ pairs: count, preferences: 0 }),
});
close();
const grid = Array.from({ length: points }, (_, i) => [i / (points - 1), 1 - i / (points - 1)]);
const start = performance.now();
await scoreReference();
const reference = secondsSince(start);
const scores = await scoreSequences(policy, sequences, grid, { rowLength, maxTokens });
if (scores.flatMap((row) => [...row]).some((score) => !(score < 0))) {
  throw new Error("Cannot measure the front: expected log-probabilities, got something else");
}
printResult({ total: secondsSince(start), reference });
dispose();

function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}
