import assert from "node:assert/strict";
import { createScalarHead, SCORE_WEIGHT } from "../../core/models/scalar_head.ts";
import * as tf from "@tensorflow/tfjs-core";
import { createPolicy, policyOn } from "../../core/policy.ts";
import { Random } from "../../core/random.ts";
import { rememberedTrunk } from "../../core/remembered_trunk.ts";
import { scoreResponses } from "../../core/reward_pass.ts";
import { packSequences } from "../../core/text/pack.ts";
import { policyTokens, tokenPass } from "../../core/token_pass.ts";
import { createTrunk, type Trunk } from "../../core/trunk.ts";
import { eachEngine } from "../engines.ts";
import { assertSameBits } from "../near.ts";
import { holdGolden, randomSequences } from "./models/golden_models.ts";

/** A trunk that counts its passes without a gradient. */
function counted(trunk: Trunk) {
  const count = { passes: 0 };
  const hidden: Trunk["hidden"] = (...args) => {
    count.passes++;
    return trunk.hidden(...args);
  };
  return { count, trunk: { ...trunk, hidden } };
}

eachEngine(
  "rememberedTrunk(): reward model and reference share one pass over the same answers",
  async (engine) => {
    const decoder = await holdGolden(engine, "llama_tied");
    const { count, trunk: inner } = counted(createTrunk(engine, decoder, null));
    const trunk = rememberedTrunk(inner);
    const sizes = { rowLength: 16, maxTokens: 32 };
    const sequences = randomSequences(new Random(5), [[3, 9], [1, 12], [5, 8], [4, 7]]);
    const preferences = sequences.map((_, s) => [s / 4, 1 - s / 4]);
    const score = {
      maps: [],
      names: [SCORE_WEIGHT],
      tensors: [tf.ones([2, decoder.config.width])],
    };
    const reward = { trunk, head: createScalarHead(engine, decoder), score };

    await scoreResponses(engine, reward, { sequences, ...sizes });
    const { passes } = count;
    assert.equal(passes, 2); // of two rows each
    const reference = tokenPass(policyTokens(policyOn(engine, decoder, trunk)), sizes);
    const values = await reference.values(sequences, preferences);
    assert.equal(count.passes, passes);

    const alone = tokenPass(policyTokens(createPolicy(engine, decoder, null)), sizes);
    const wanted = await alone.values(sequences, preferences);
    values.forEach((own, s) => assertSameBits(own, wanted[s] ?? new Float32Array(), `${s}`));

    const others = randomSequences(new Random(6), [[3, 9], [1, 12], [5, 8], [4, 7]]);
    await reference.values(others, preferences);
    assert.equal(count.passes, passes + 2, "other tokens of the same lengths are others");
    score.tensors.forEach((tensor) => tensor.dispose());
    decoder.dispose();
  },
);

eachEngine("rememberedTrunk() forgets what no longer fits, the oldest first", async (engine) => {
  const decoder = await holdGolden(engine, "llama_tied");
  const { count, trunk: inner } = counted(createTrunk(engine, decoder, null));
  const packs = [1, 2, 3].map((seed) => {
    const sequences = randomSequences(new Random(seed), [[3, 9]]);
    return packSequences(sequences, { rowLength: 16, maxTokens: 16 })[0];
  });
  const trunk = rememberedTrunk(inner, 2 * 16 * decoder.config.width * 4); // two packs
  async function passesOf(...order: number[]): Promise<number[]> {
    const passes: number[] = [];
    for (const i of order) {
      const pack = packs[i];
      assert(pack);
      const before = count.passes;
      const hidden = trunk.hidden(pack, [[]]);
      const again = trunk.hidden(pack, [[]]);
      const values = await hidden.data() as Float32Array;
      assertSameBits(await again.data() as Float32Array, values, `pack ${i}`);
      [hidden, again].forEach((tensor) => tensor.dispose());
      passes.push(count.passes - before);
    }
    return passes;
  }
  assert.deepEqual(await passesOf(0, 1, 0, 1, 2, 1, 2, 0), [1, 1, 0, 0, 1, 0, 0, 1]);
  decoder.dispose();
});
