import assert from "node:assert/strict";
import { batchPass, forwardPacks } from "../../core/batch_pass.ts";
import { addGradients } from "../../core/gradients.ts";
import { svdLora } from "../../core/adapters/svd_lora.ts";
import { disposeParameters } from "../../core/adapters/parameters.ts";
import { createPolicy, type Policy } from "../../core/policy.ts";
import { Random } from "../../core/random.ts";
import { packSequences, splitPack } from "../../core/text/pack.ts";
import { eachEngine } from "../engines.ts";
import golden from "../golden/policy.json" with { type: "json" };
import { assertNear } from "../near.ts";
import { formulaParameters, holdGolden, load, randomSequences } from "./models/golden_models.ts";
import type { Engine } from "../../core/engine/mod.ts";

const { rank, objectives, alpha } = golden;
const rowLength = 32;

/** An adapted policy on llama_tied, ten sequences, a preference and a slope for each. */
async function worldOf(engine: Engine) {
  const adapter = svdLora({ rank, objectives, alpha, init: "gaussian" });
  const decoder = await holdGolden(engine, "llama_tied");
  const stored = formulaParameters(adapter, decoder.config, "layers.");
  const parameters = load(adapter, decoder.config, stored, "layers.");
  const policy = createPolicy(engine, decoder, { adapter, objectives, parameters });
  const random = new Random(5);
  const lengths = Array.from({ length: 10 }, (): [number, number] => {
    return [1 + random.integer(8), 1 + random.integer(8)];
  });
  const sequences = randomSequences(random, lengths);
  const preferences = sequences.map(() => {
    const first = random.uniform();
    return [first, ...Array.from({ length: objectives - 1 }, () => (1 - first) / (objectives - 1))];
  });
  const slopes = Float32Array.from(sequences, () => random.normal());
  const dispose = () => {
    disposeParameters(parameters);
    decoder.dispose();
  };
  return { policy, sequences, preferences, slopes, dispose };
}

eachEngine("batchPass() gives the same in one pack and in several", async (engine) => {
  const { policy, sequences, preferences, slopes, dispose } = await worldOf(engine);
  const results = [];
  for (const maxTokens of [4096, rowLength]) {
    const trace = await batchPass(policy, { rowLength, maxTokens }).forward(sequences, preferences);
    const gradients = (await trace.backward(slopes)).flat();
    results.push({
      logProbs: trace.values,
      gradients: gradients.flatMap((gradient) => [...gradient.dataSync()]),
    });
    gradients.forEach((gradient) => gradient.dispose());
  }
  dispose();
  const [one, several] = results;
  assert(one && several);
  assertNear(several.logProbs, one.logProbs, { tolerance: 1e-5 });
  assert(Math.hypot(...one.gradients) > 1);
  assertNear(several.gradients, one.gradients, { tolerance: 1e-5 });
});

eachEngine("forwardPacks() of parts of a batch, summed, is the whole batch", async (engine) => {
  const { policy, sequences, preferences, slopes, dispose } = await worldOf(engine);
  const [whole] = packSequences(sequences, { rowLength, maxTokens: 4096 });
  assert(whole && whole.rows > 2);
  const logProbs = new Float32Array(sequences.length);
  let gradients = null;
  let packs = 0;
  for (const part of splitPack(whole, 3)) {
    const trace = await forwardPacks(policy, [part], preferences, () => packs++);
    trace.values.forEach((value, s) => logProbs[s] = (logProbs[s] ?? 0) + value);
    gradients = addGradients(gradients, await trace.backward(slopes));
  }
  assert.equal(packs, 6); // three there, three back
  const trace = await forwardPacks(policy, [whole], preferences);
  const expected = await trace.backward(slopes);
  assertNear(logProbs, trace.values, { tolerance: 1e-5 });
  const values = (blocks: typeof expected) => blocks.flat().flatMap((g) => [...g.dataSync()]);
  assertNear(values(gradients ?? []), values(expected), { tolerance: 1e-5 });
  [...gradients ?? [], ...expected].flat().forEach((gradient) => gradient.dispose());
  dispose();
});

eachEngine("batchPass() keeps nothing of a batch that breaks or is dropped", async (engine) => {
  const { policy, sequences, preferences, dispose } = await worldOf(engine);
  let packs = 0;
  const breaking: Policy = {
    ...policy,
    logProbsWithGradient(pack, preferences) {
      if (++packs === 3) throw new Error("out of memory");
      return policy.logProbsWithGradient(pack, preferences);
    },
  };
  const options = { rowLength, maxTokens: rowLength };
  await assert.rejects(batchPass(breaking, options).forward(sequences, preferences), /memory/);
  (await batchPass(policy, options).forward(sequences, preferences)).dispose();
  dispose();
});
