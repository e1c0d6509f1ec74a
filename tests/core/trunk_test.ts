import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import {
  type BlockParameters,
  disposeParameters,
  type StoredParameters,
} from "../../core/adapters/parameters.ts";
import type { Engine } from "../../core/engine/mod.ts";
import type { HeldDecoder } from "../../core/models/held.ts";
import { createPolicy } from "../../core/policy.ts";
import { createTrunk } from "../../core/trunk.ts";
import { eachEngine } from "../engines.ts";
import { assertNear, assertSameBits } from "../near.ts";
import { formulaParameters, holdGolden, load } from "./models/golden_models.ts";
import { adapter, objectives, packOf, preferences } from "./trunk_case.ts";

function trunkOf(engine: Engine, decoder: HeldDecoder, stored: StoredParameters) {
  const parameters = load(adapter, decoder.config, stored);
  const trunk = createTrunk(engine, decoder, { adapter, objectives, parameters });
  return { trunk, parameters, dispose: () => disposeParameters(parameters) };
}

eachEngine("hidden states are the policy's, with a gradient or without", async (engine) => {
  const decoder = await holdGolden(engine, "llama_tied");
  const { trunk, parameters, dispose } = trunkOf(
    engine,
    decoder,
    formulaParameters(adapter, decoder.config),
  );
  const pack = packOf();
  const policy = createPolicy(engine, decoder, { adapter, objectives, parameters });
  const hidden = trunk.hidden(pack, preferences);
  assert.deepEqual(hidden.shape, [pack.rows * pack.length, decoder.config.width]);
  const values = await hidden.data() as Float32Array;
  const others = policy.hidden(pack, preferences);
  assertSameBits(await others.data() as Float32Array, values, "the policy's");
  const before = engine.liveTensors();
  const trace = trunk.hiddenWithGradient(pack, preferences);
  assertNear(await trace.hidden.data(), values, { tolerance: 1e-6 });
  assert(engine.liveTensors() > before);
  trace.dispose();
  assert.equal(engine.liveTensors(), before);
  [hidden, others].forEach((tensor) => tensor.dispose());
  dispose();
  decoder.dispose();
});

eachEngine("backward() agrees with finite differences of Σ slopes ⊙ hidden", async (engine) => {
  const decoder = await holdGolden(engine, "llama_untied_sharded");
  const stored = formulaParameters(adapter, decoder.config);
  const pack = packOf();
  const size = pack.rows * pack.length;
  // zero where a row is empty: what stands there is nobody's
  const slopes = tf.tidy(() => {
    const used = Float32Array.from(pack.segments, (segment) => segment > 0 ? 1 : 0);
    const random = tf.randomNormal([size, decoder.config.width], 0, 0.1, "float32", 3);
    return tf.mul(random, tf.tensor2d(used, [size, 1])) as tf.Tensor2D;
  });

  async function weighted(changed: StoredParameters): Promise<number> {
    const { trunk, dispose } = trunkOf(engine, decoder, changed);
    const sum = tf.tidy(() => tf.sum(tf.mul(trunk.hidden(pack, preferences), slopes)));
    const [value = NaN] = await sum.data();
    sum.dispose();
    dispose();
    return value;
  }

  const { trunk, parameters, dispose } = trunkOf(engine, decoder, stored);
  const gradients = trunk.hiddenWithGradient(pack, preferences).backward(slopes);
  const h = 1e-2;
  for (const map of ["self_attn.v_proj", "mlp.up_proj"]) {
    for (const [i, parameter] of adapter.parameterNames.entries()) {
      const layer = i % 2;
      const name = `model.layers.${layer}.${map}.${parameter}`;
      const gradient = gradients[layer]?.[parameters[layer]?.names.indexOf(name) ?? -1];
      const values = await gradient?.data() ?? [];
      const at = Math.floor(values.length / 2);
      const { values: own = new Float32Array(), shape = [] } = stored.get(name) ?? {};
      const moved = (shift: number) => {
        const changed = own.slice();
        changed[at] = (changed[at] ?? 0) + shift;
        return weighted(new Map(stored).set(name, { shape, values: changed }));
      };
      const difference = (await moved(h) - await moved(-h)) / (2 * h);
      const off = Math.abs((values[at] ?? NaN) - difference);
      assert(off <= 2e-3 * Math.max(1, Math.abs(difference)), `${name}[${at}]: ${off}`);
    }
  }
  gradients.flat().forEach((tensor) => tensor.dispose());
  slopes.dispose();
  dispose();
  decoder.dispose();
});

eachEngine(
  "blocks of parameters after the decoder's, a head's, are not the trunk's",
  async (engine) => {
    const decoder = await holdGolden(engine, "llama_tied");
    const { parameters, dispose } = trunkOf(
      engine,
      decoder,
      formulaParameters(adapter, decoder.config),
    );
    const head: BlockParameters = { maps: [], names: ["score.weight"], tensors: [tf.ones([1, 4])] };
    const both = [...parameters, head];
    const trunk = createTrunk(engine, decoder, { adapter, objectives, parameters: both });
    const pack = packOf();
    const trace = trunk.hiddenWithGradient(pack, preferences);
    const slopes = tf.ones(trace.hidden.shape) as tf.Tensor2D;
    const gradients = trace.backward(slopes);
    assert.deepEqual(
      gradients.map((block) => block.length),
      parameters.map((b) => b.tensors.length),
    );
    [...gradients.flat(), slopes, ...head.tensors].forEach((tensor) => tensor.dispose());
    dispose();
    decoder.dispose();
    await Promise.resolve();
  },
);
