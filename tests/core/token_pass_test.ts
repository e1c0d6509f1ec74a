import assert from "node:assert/strict";
import { disposeParameters } from "../../core/adapters/parameters.ts";
import { svdLora } from "../../core/adapters/svd_lora.ts";
import { batchPass } from "../../core/batch_pass.ts";
import type { Engine } from "../../core/engine/mod.ts";
import { createPolicy } from "../../core/policy.ts";
import { Random } from "../../core/random.ts";
import type { Sequence } from "../../core/text/pack.ts";
import { policyTokens, type TokenModel, tokenPass } from "../../core/token_pass.ts";
import type { BlockGradients } from "../../core/block_stack.ts";
import { eachEngine } from "../engines.ts";
import golden from "../golden/policy.json" with { type: "json" };
import { assertNear } from "../near.ts";
import { formulaParameters, holdGolden, load, randomSequences } from "./models/golden_models.ts";

const { rank, objectives, alpha } = golden;
const rowLength = 32;

/** An adapted policy on llama_tied; nine sequences, of which two share a prompt and a preference. */
async function worldOf(engine: Engine) {
  const adapter = svdLora({ rank, objectives, alpha, init: "gaussian" });
  const decoder = await holdGolden(engine, "llama_tied");
  const parameters = load(adapter, decoder.config, formulaParameters(adapter, decoder.config));
  const policy = createPolicy(engine, decoder, { adapter, objectives, parameters });
  const random = new Random(5);
  const lengths = Array.from({ length: 8 }, (): [number, number] => {
    return [1 + random.integer(8), 1 + random.integer(8)];
  });
  const own = randomSequences(random, lengths);
  const prompt = own[0]?.prompt ?? new Int32Array();
  const sequences: Sequence[] = [...own, { prompt, response: Int32Array.of(9, 8, 7) }];
  const preferences = sequences.map((_, s) => [s / 9, 1 - s / 9]);
  preferences[8] = preferences[0] ?? [];
  const dispose = () => {
    disposeParameters(parameters);
    decoder.dispose();
  };
  return { policy, sequences, preferences, random, dispose };
}

async function flat(gradients: BlockGradients[]): Promise<number[]> {
  const values = await Promise.all(gradients.flat().map((tensor) => tensor.data()));
  gradients.flat().forEach((tensor) => tensor.dispose());
  return values.flatMap((part) => [...part]);
}

eachEngine(
  "values of a sequence's tokens come in order, in one pack and in several",
  async (engine) => {
    const { policy, sequences, preferences, dispose } = await worldOf(engine);
    const model = policyTokens(policy);
    const whole = await tokenPass(model, { rowLength, maxTokens: 4096 })
      .values(sequences, preferences);
    assert.deepEqual(whole.map(({ length }) => length), sequences.map((s) => s.response.length));
    const several = tokenPass(model, { rowLength, maxTokens: rowLength });
    const values = await several.values(sequences, preferences);
    const batch = await several.forward(sequences, preferences);
    batch.dispose();
    const alone = await Promise.all(sequences.map(async (sequence, s) => {
      const [own] = await several.values([sequence], [preferences[s] ?? []]);
      return own ?? new Float32Array();
    }));
    for (const found of [values, batch.values, alone]) {
      found.forEach((own, s) =>
        assertNear(own, whole[s] ?? [], { tolerance: 1e-5, what: `sequence ${s}` })
      );
    }
    // a shorter response has the beginning of a longer one's values
    const [first] = sequences;
    assert(first && first.response.length > 1);
    const shorter = { ...first, response: first.response.slice(0, -1) };
    const [cut] = await several.values([shorter], [preferences[0] ?? []]);
    assertNear(cut ?? [], whole[0]?.subarray(0, -1) ?? [], { tolerance: 1e-5 });
    dispose();
  },
);

eachEngine(
  "a slope for every token of a sequence is batchPass()'s slope for the sequence",
  async (engine) => {
    const { policy, sequences, preferences, random, dispose } = await worldOf(engine);
    const slopes = Float32Array.from(sequences, () => random.normal());
    const options = { rowLength, maxTokens: 64 };
    const trace = await batchPass(policy, options).forward(sequences, preferences);
    const expected = await flat(await trace.backward(slopes));
    const batch = await tokenPass(policyTokens(policy), options).forward(sequences, preferences);
    assertNear(
      batch.values.map((values) => values.reduce((sum, value) => sum + value, 0)),
      trace.values,
      { tolerance: 1e-5 },
    );
    const spread = batch.values.map((values, s) => values.map(() => slopes[s] ?? 0));
    assertNear(await flat(await batch.backward(spread)), expected, { tolerance: 1e-5 });
    dispose();
  },
);

eachEngine("backward() with own slopes is the sum over packs and tokens", async (engine) => {
  const { policy, sequences, preferences, random, dispose } = await worldOf(engine);
  const slopes = sequences.map(({ response }) =>
    Float32Array.from(response, () => random.normal())
  );
  const results = [];
  for (const maxTokens of [4096, rowLength]) {
    const pass = tokenPass(policyTokens(policy), { rowLength, maxTokens });
    const batch = await pass.forward(sequences, preferences);
    results.push(await flat(await batch.backward(slopes)));
  }
  // linear in the slopes: one token at a time, for one sequence
  const pass = tokenPass(policyTokens(policy), { rowLength, maxTokens: 4096 });
  const [own, λ] = [sequences.slice(2, 3), preferences.slice(2, 3)];
  const all = await flat(await (await pass.forward(own, λ)).backward(slopes.slice(2, 3)));
  const sum = new Array<number>(all.length).fill(0);
  for (let t = 0; t < (slopes[2]?.length ?? 0); t++) {
    const one = slopes[2]?.map((slope, i) => i === t ? slope : 0) ?? new Float32Array();
    const part = await flat(await (await pass.forward(own, λ)).backward([one]));
    part.forEach((value, i) => sum[i] = (sum[i] ?? 0) + value);
  }
  dispose();
  const [one, several] = results;
  assert(Math.hypot(...one ?? []) > 1);
  assertNear(several ?? [], one ?? [], { tolerance: 1e-5 });
  assertNear(sum, all, { tolerance: 1e-4 });
});

eachEngine("only learned tokens have values and take slopes", async (engine) => {
  const { policy, dispose } = await worldOf(engine);
  const prompt = Int32Array.of(1, 2);
  const response = Int32Array.of(3, 4, 5, 6);
  const pass = tokenPass(policyTokens(policy), { rowLength, maxTokens: 64 });
  const λ = [[0.5, 0.5]];
  const [all = new Float32Array()] = await pass.values([{ prompt, response }], λ);
  const masked = { prompt, response, learned: Uint8Array.of(1, 0, 0, 1) };
  const batch = await pass.forward([masked], λ);
  assertNear(batch.values[0] ?? [], [all[0] ?? NaN, all[3] ?? NaN], { tolerance: 1e-6 });
  const found = await flat(await batch.backward([Float32Array.of(2, -1)]));
  const whole = await pass.forward([{ prompt, response }], λ);
  assertNear(found, await flat(await whole.backward([Float32Array.of(2, 0, 0, -1)])), {
    tolerance: 1e-5,
  });
  dispose();
});

eachEngine("tokenPass() keeps nothing of a batch that breaks or is dropped", async (engine) => {
  const { policy, sequences, preferences, dispose } = await worldOf(engine);
  let packs = 0;
  const model = policyTokens(policy);
  const breaking: TokenModel = {
    ...model,
    forward(pack, λ) {
      if (++packs === 2) throw new Error("out of memory");
      return model.forward(pack, λ);
    },
  };
  const options = { rowLength, maxTokens: rowLength };
  await assert.rejects(tokenPass(breaking, options).forward(sequences, preferences), /memory/);
  (await tokenPass(model, options).forward(sequences, preferences)).dispose();
  dispose();
});
