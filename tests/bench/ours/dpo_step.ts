// A DPO step of ours by phases, one JSON line of seconds per iteration: the work of
// ../shared/bench/peer_dpo_step.py, through the trainer that users run. A process of its own; the
// first iteration compiles and is for the reader to leave out.
import type { Policy } from "../../../core/policy.ts";
import type { Pack } from "../../../core/text/pack.ts";
import { printResult } from "../../../commands/output.ts";
import { batch } from "../shape.ts";
import { openRandomStep, startSteps, stepConfig, stepPass } from "./step.ts";

const ITERATIONS = 3; // as many as the peer's

const { parts, policy, scoreReference, dispose } = await openRandomStep({
  pairs: batch.pairs,
  length: batch.length,
});
const spent = { forward: 0, backward: 0 };
const pass = stepPass(timedPolicy(policy));
const steps = startSteps(stepConfig({ pairs: batch.pairs, preferences: 0 }), { ...parts, pass });
for (let i = 0; i < ITERATIONS; i++) {
  Object.assign(spent, { forward: 0, backward: 0 });
  const start = performance.now();
  await scoreReference();
  const reference = secondsSince(start);
  await steps.step();
  const total = secondsSince(start);
  const withoutReference = total - reference;
  const update = withoutReference - spent.forward - spent.backward; // loss, norm and AdamW
  printResult({ total, withoutReference, reference, ...spent, update });
}
await steps.end();
dispose();

/** The policy with a clock in it. */
function timedPolicy(policy: Policy): Policy {
  return {
    ...policy,
    async logProbsWithGradient(pack, preferences) {
      requireWholeBatch(pack);
      const start = performance.now();
      const trace = await policy.logProbsWithGradient(pack, preferences);
      spent.forward += secondsSince(start);
      return {
        ...trace,
        backward(slopes) {
          const start = performance.now();
          const gradients = trace.backward(slopes);
          spent.backward += secondsSince(start);
          return gradients;
        },
      };
    },
  };
}

/** However sequences are packed, a step that computed less than the peer's must not be timed. */
function requireWholeBatch({ rows, length, predicting }: Pack): void {
  const scored = batch.rows * (batch.length - 1);
  if (rows !== batch.rows || length !== batch.length || predicting.length !== scored) {
    throw new Error(
      `Cannot measure the step: expected ${batch.rows} rows of ${batch.length} tokens, ${scored} ` +
        `of them scored, got ${rows} rows of ${length}, ${predicting.length} scored`,
    );
  }
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}
