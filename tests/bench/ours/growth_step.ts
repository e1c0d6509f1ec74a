// A DPO step of ours, reference included, on random pairs: one JSON line of seconds per iteration.
// Arguments: pairs, tokens of a sequence, dimensions, layers. A process of its own, so that its memory is the
// step's; the first iteration compiles and is for the reader to leave out.
import { printResult } from "../../../commands/output.ts";
import { openRandomStep, startSteps, stepConfig } from "./step.ts";

const ITERATIONS = 4;

const [pairs = NaN, length = NaN, objectives = NaN, layers = NaN] = Deno.args.map(Number);
const { parts, scoreReference, dispose } = await openRandomStep({
  pairs,
  length,
  objectives,
  layers,
});
const steps = startSteps(stepConfig({ pairs, preferences: 0 }), parts);
for (let i = 0; i < ITERATIONS; i++) {
  const start = performance.now();
  await scoreReference();
  await steps.step();
  printResult({ total: (performance.now() - start) / 1000 });
}
await steps.end();
dispose();
