// What different preferences in one batch cost: the same 16 pairs trained on by turns with a λ for
// every pair and with one λ for all, one JSON line of seconds per iteration. A process of its own;
// the first iteration compiles and is for the reader to leave out.
import { printResult } from "../../../commands/output.ts";
import { batch } from "../shape.ts";
import { openRandomStep, startSteps, stepConfig } from "./step.ts";

const ITERATIONS = 7;
const PAIRS = 16;
const LENGTH = batch.rows * batch.length / (2 * PAIRS); // as many tokens as the other rows' step

const { parts, scoreReference, dispose } = await openRandomStep({ pairs: PAIRS, length: LENGTH });
await scoreReference();
const mixed = startSteps(stepConfig({ pairs: PAIRS, preferences: PAIRS }), parts);
const one = startSteps(stepConfig({ pairs: PAIRS, preferences: 1 }), parts);
for (let i = 0; i < ITERATIONS; i++) {
  const seconds = { mixed: 0, one: 0 };
  const turns = [["mixed", mixed], ["one", one]] as const;
  // Each goes first every other time: neither profits from what the other left warm.
  for (const [name, steps] of i % 2 === 0 ? turns : turns.toReversed()) {
    const start = performance.now();
    await steps.step();
    seconds[name] = (performance.now() - start) / 1000;
  }
  printResult(seconds);
}
await mixed.end();
await one.end();
dispose();
