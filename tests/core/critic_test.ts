import assert from "node:assert/strict";
import {
  adaptedMaps,
  disposeParameters,
  initParameters,
  loadParameters,
  readParameters,
  type StoredParameters,
} from "../../core/adapters/parameters.ts";
import { svdLora } from "../../core/adapters/svd_lora.ts";
import { createCritic, initCritic, loadCritic, VALUE_WEIGHT } from "../../core/critic.ts";
import type { Engine } from "../../core/engine/mod.ts";
import { addGradients } from "../../core/gradients.ts";
import type { HeldDecoder } from "../../core/models/held.ts";
import { likelihoodLoss, policyLoss, valueLoss } from "../../core/objectives/ppo.ts";
import { createPolicy } from "../../core/policy.ts";
import { Random } from "../../core/random.ts";
import type { Sequence } from "../../core/text/pack.ts";
import { policyTokens, tokenPass } from "../../core/token_pass.ts";
import type { BlockGradients } from "../../core/block_stack.ts";
import { eachEngine } from "../engines.ts";
import golden from "../golden/ppo.json" with { type: "json" };
import { assertNear } from "../near.ts";
import { holdGolden } from "./models/golden_models.ts";

const { rank, objectives, alpha, settings } = golden;
const adapter = svdLora({ rank, objectives, alpha, init: "gaussian" });
const sizes = { rowLength: 32, maxTokens: 64 }; // two packs
const lists = (numbers: number[][]) => numbers.map((list) => Float32Array.from(list));

const sequencesOf = (rows: { prompt: number[]; response: number[] }[]): Sequence[] =>
  rows.map(({ prompt, response }) => ({
    prompt: Int32Array.from(prompt),
    response: Int32Array.from(response),
  }));
const sequences = sequencesOf(golden.rows);
const preferences = golden.rows.map(({ preference }) => preference);

function shapeOf({ config }: HeldDecoder) {
  return { adapter, maps: adaptedMaps(config, "layers."), objectives, config };
}

/** tests/golden/ppo.py's values_of(), the parameters in its order. */
function formula(stored: StoredParameters, { phase = 0, moved = true } = {}): StoredParameters {
  const at = (i: number, k: number) =>
    0.3 * Math.sin(1 + 0.7 * i + 0.9 * k + phase) + (moved ? 0.04 * Math.sin(2 + 1.1 * i) : 0);
  return new Map(
    [...stored].map(([name, { shape, values }], k) => [
      name,
      { shape, values: values.map((_, i) => at(i, k)) },
    ]),
  );
}

/** The golden critic on llama_tied. Caller disposes the parameters. */
function goldenCritic(engine: Engine, decoder: HeldDecoder, { moved = true } = {}) {
  const shape = shapeOf(decoder);
  const fresh = initCritic(shape, new Random(0));
  const head = new Map([[
    VALUE_WEIGHT,
    fresh.get(VALUE_WEIGHT) ?? { shape: [], values: new Float32Array() },
  ]]);
  fresh.delete(VALUE_WEIGHT);
  const parameters = loadCritic(
    shape,
    new Map([...formula(fresh, { phase: 0.4, moved }), ...formula(head, { phase: 0.2, moved })]),
  );
  return {
    parameters,
    pass: tokenPass(createCritic(engine, decoder, { adapter, objectives, parameters }), sizes),
  };
}

type Expected = Record<string, { norm: number; entries: Record<string, number> }>;

/** Gradients against PyTorch's norms and single entries; disposes them. */
async function assertGradients(
  names: string[][],
  gradients: BlockGradients[],
  expected: Expected,
): Promise<void> {
  const blocks = gradients.map((tensors, i) => ({ names: names[i] ?? [], tensors }));
  const found = await readParameters(blocks);
  disposeParameters(blocks);
  assert.deepEqual([...found.keys()].sort(), Object.keys(expected).sort());
  for (const [name, { norm, entries }] of Object.entries(expected)) {
    const { values = new Float32Array() } = found.get(name) ?? {};
    const off = Math.abs(Math.hypot(...values) - norm);
    assert(off <= 1e-4 * Math.max(norm, 0.01), `${name}: norm off by ${off} of ${norm}`);
    for (const [at, value] of Object.entries(entries)) {
      const off = Math.abs((values[Number(at)] ?? NaN) - value);
      assert(off <= 1e-4 * Math.max(norm, 0.01), `${name}[${at}]: off by ${off} of ${value}`);
    }
  }
}

eachEngine("createCritic(): values equal PyTorch's, before and after an update", async (engine) => {
  const decoder = await holdGolden(engine, "llama_tied");
  for (const [moved, expected] of [[false, golden.oldValues], [true, golden.values]] as const) {
    const { pass, parameters } = goldenCritic(engine, decoder, { moved });
    const values = await pass.values(sequences, preferences);
    const batch = await pass.forward(sequences, preferences);
    batch.dispose();
    values.forEach((found, s) => {
      assertNear(found, expected[s] ?? [], { tolerance: 1e-5 });
      assertNear(batch.values[s] ?? [], found, { tolerance: 1e-6 });
    });
    disposeParameters(parameters);
  }
  decoder.dispose();
});

for (const [kind, update] of Object.entries(golden.updates)) {
  eachEngine(
    `the critic's gradient of the value loss equals PyTorch's: ${kind}`,
    async (engine) => {
      const decoder = await holdGolden(engine, "llama_tied");
      const { pass, parameters } = goldenCritic(engine, decoder);
      const batch = await pass.forward(sequences, preferences);
      const { loss, slopes } = valueLoss(batch.values, {
        oldValues: lists(golden.oldValues),
        returns: lists(update.returns),
        cliprangeValue: settings.cliprangeValue,
      });
      assertNear([loss], [update.valueLoss], { tolerance: 1e-5 });
      const gradients = await batch.backward(slopes);
      await assertGradients(
        parameters.map(({ names }) => names),
        gradients,
        update.criticGradients,
      );
      disposeParameters(parameters);
      decoder.dispose();
    },
  );

  eachEngine(
    `the policy's gradient of PPO's loss with PTX equals PyTorch's: ${kind}`,
    async (engine) => {
      const decoder = await holdGolden(engine, "llama_tied");
      const { maps, config } = shapeOf(decoder);
      const stored = formula(initParameters(adapter, maps, { config, random: new Random(0) }));
      const parameters = loadParameters(adapter, maps, stored);
      const policy = createPolicy(engine, decoder, { adapter, objectives, parameters });
      const pass = tokenPass(policyTokens(policy), sizes);
      const batch = await pass.forward(sequences, preferences);
      batch.values.forEach((found, s) =>
        assertNear(found, golden.logProbs[s] ?? [], { tolerance: 2e-5, what: "log-probabilities" })
      );
      const { loss, slopes } = policyLoss(batch.values, {
        oldLogProbs: lists(golden.oldLogProbs),
        advantages: lists(update.whitened),
        cliprange: settings.cliprange,
      });
      assertNear([loss], [update.policyLoss], { tolerance: 1e-5 });
      const ptx = await pass.forward(
        sequencesOf(golden.ptx),
        golden.ptx.map((row) => row.preference),
      );
      const likelihood = likelihoodLoss(ptx.values);
      assertNear([likelihood.loss], [update.ptxLoss], { tolerance: 1e-5 });
      const scaled = likelihood.slopes.map((list) => list.map((slope) => settings.ptxCoef * slope));
      const gradients = addGradients(await batch.backward(slopes), await ptx.backward(scaled));
      await assertGradients(
        parameters.map(({ names }) => names),
        gradients,
        update.policyGradients,
      );
      disposeParameters(parameters);
      decoder.dispose();
    },
  );
}

eachEngine(
  "a fresh critic says 0; a trained one says something else under another λ",
  async (engine) => {
    const decoder = await holdGolden(engine, "llama_tied");
    const shape = shapeOf(decoder);
    const parameters = loadCritic(shape, initCritic(shape, new Random(3)));
    const fresh = tokenPass(
      createCritic(engine, decoder, { adapter, objectives, parameters }),
      sizes,
    );
    for (const values of await fresh.values(sequences, preferences)) {
      assert.deepEqual([...values], [...values].map(() => 0));
    }
    disposeParameters(parameters);
    const { pass, parameters: trained } = goldenCritic(engine, decoder);
    const [first = new Float32Array()] = await pass.values(sequences.slice(0, 1), [[1, 0]]);
    const [second = new Float32Array()] = await pass.values(sequences.slice(0, 1), [[0, 1]]);
    first.forEach((value, t) => assert(Math.abs(value - (second[t] ?? NaN)) > 1e-3));
    disposeParameters(trained);
    decoder.dispose();
  },
);

eachEngine("loadCritic() refuses the parameters of another critic", async (engine) => {
  const decoder = await holdGolden(engine, "llama_tied");
  const shape = shapeOf(decoder);
  const stored = initCritic({ ...shape, objectives: 3 }, new Random(0));
  const { width } = decoder.config;
  assert.throws(() => loadCritic(shape, stored), {
    name: "InputError",
    message: `Cannot use the stored critic: expected value_head.weight of shape [3, ${width}], ` +
      `got [4, ${width}]`,
  });
  const name = "model.layers.0.self_attn.q_proj.U";
  const lacking = initCritic(shape, new Random(0));
  lacking.delete(name);
  assert.throws(() => loadCritic(shape, lacking), {
    name: "InputError",
    message: new RegExp(`^Cannot use the stored critic: expected ${name} of shape .*, got none$`),
  });
  decoder.dispose();
});
