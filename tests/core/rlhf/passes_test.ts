import assert from "node:assert/strict";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import { disposeParameters } from "../../../core/adapters/parameters.ts";
import { RunConfig } from "../../../core/config.ts";
import type { Engine } from "../../../core/engine/mod.ts";
import { createPolicy } from "../../../core/policy.ts";
import { Random } from "../../../core/random.ts";
import { estimate } from "../../../core/rlhf/experience.ts";
import { openPasses } from "../../../core/rlhf/passes.ts";
import { policyTokens, type TokenPass, tokenPass } from "../../../core/token_pass.ts";
import { eachEngine } from "../../engines.ts";
import { assertNear } from "../../near.ts";
import { formulaParameters, holdGolden, load, randomSequences } from "../models/golden_models.ts";

const objectives = 2;
const adapter = svdLora({ rank: 2, objectives, alpha: 8, init: "gaussian" });
const sequences = randomSequences(new Random(5), [[3, 9], [1, 4], [5, 8], [4, 7]]);
const preferences = sequences.map((_, s) => [s / 4, 1 - s / 4]);

/** Hands `fn` a policy with an adapter, and one without. */
async function withPasses(
  engine: Engine,
  fn: (adapted: TokenPass, plain: TokenPass) => Promise<void>,
): Promise<void> {
  const decoder = await holdGolden(engine, "llama_tied");
  const parameters = load(adapter, decoder.config, formulaParameters(adapter, decoder.config));
  const sizes = { rowLength: 32, maxTokens: 64 };
  const passOf = (parts: Parameters<typeof createPolicy>[2]) =>
    tokenPass(policyTokens(createPolicy(engine, decoder, parts)), sizes);
  try {
    await fn(passOf({ adapter, objectives, parameters }), passOf(null));
  } finally {
    disposeParameters(parameters);
    decoder.dispose();
  }
}

/** A pass that counts the sequences it is asked for. */
function counted(pass: TokenPass) {
  const count = { values: 0, forward: 0 };
  const counting: TokenPass = {
    values(batch, preferences) {
      count.values += batch.length;
      return pass.values(batch, preferences);
    },
    forward(batch, preferences) {
      count.forward += batch.length;
      return pass.forward(batch, preferences);
    },
  };
  return { count, pass: counting };
}

eachEngine(
  "estimate() computes every answer once, and leaves the first update's passes open",
  async (engine) => {
    await withPasses(engine, async (adapted, plain) => {
      const wanted = {
        logProbs: await adapted.values(sequences, preferences),
        values: await plain.values(sequences, preferences), // a critic is a number a token too
      };
      for (const first of [[2, 0], [3, 1, 0, 2]]) {
        const [policy, critic] = [counted(adapted), counted(plain)];
        const models = { policy: policy.pass, critic: critic.pass, reference: plain };
        const { estimates, passes } = await estimate(
          RunConfig.parse({ objective: "ppo" }),
          models,
          {
            ...{ first, sequences, preferences },
            scores: [1, 2, 3, 4],
          },
        );
        for (const { count } of [policy, critic]) {
          assert.deepEqual(count, { forward: first.length, values: 4 - first.length });
        }
        for (const name of ["logProbs", "values"] as const) {
          wanted[name].forEach((numbers, s) =>
            assertNear(estimates[name][s] ?? [], numbers, { tolerance: 1e-5, what: `${name} ${s}` })
          );
        }
        assert.deepEqual(passes.policy.values, first.map((s) => estimates.logProbs[s]));
        assert.deepEqual(passes.critic.values, first.map((s) => estimates.values[s]));
        const slopes = passes.policy.values.map((values) => values.map(() => 1));
        const gradients = await passes.policy.backward(slopes);
        gradients.flat().forEach((tensor) => tensor.dispose());
        passes.dispose(); // the critic's is open, the policy's is not any more
      }
    });
    assert.equal(engine.residualBytes.left, engine.residualBytes.total);
  },
);

eachEngine("openPasses() holds nothing where the second pass breaks", async (engine) => {
  await withPasses(engine, async (policy) => {
    const critic = { forward: () => Promise.reject(new TypeError("Cannot compute: no memory")) };
    const opening = openPasses({ policy, critic }, { sequences, preferences }, [1, 2]);
    await assert.rejects(opening, /no memory/);
    assert.equal(engine.residualBytes.left, engine.residualBytes.total);
  });
});
