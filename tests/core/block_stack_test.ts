import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { disposeParameters } from "../../core/adapters/parameters.ts";
import type { Engine } from "../../core/engine/mod.ts";
import { createFullPolicy, loadWeights } from "../../core/full_policy.ts";
import { mapShape, mapsReadAgain } from "../../core/models/linear_maps.ts";
import { familyOf } from "../../core/models/families.ts";
import { Random } from "../../core/random.ts";
import { type Pack, packSequences } from "../../core/text/pack.ts";
import { createTrunk } from "../../core/trunk.ts";
import { eachEngine } from "../engines.ts";
import { assertSameBits } from "../near.ts";
import { formulaParameters, holdGolden, load } from "./models/golden_models.ts";
import { tinyDecoder } from "./tiny_decoder.ts";
import { adapter, objectives, packOf, preferences } from "./trunk_case.ts";

/** Calls `fn` while others hold all but `bytes` of the engine's budget. */
async function withBudget<T>(
  { residualBytes }: Engine,
  bytes: number,
  fn: () => T | Promise<T>,
): Promise<T> {
  const others = residualBytes.left - bytes;
  assert(residualBytes.take(others));
  try {
    return await fn();
  } finally {
    residualBytes.giveBack(others);
  }
}

/** Copies of gradients, which it disposes. */
async function valuesOf(gradients: tf.Tensor[][]): Promise<Float32Array[]> {
  const values: Float32Array[] = [];
  for (const gradient of gradients.flat()) {
    values.push((await gradient.data() as Float32Array).slice());
    gradient.dispose();
  }
  return values;
}

/**
 * Bytes of a block's residuals: its products but the last, in the type they are computed in, the
 * narrow products of its adapters, and attention's weights, of rows too short for several chunks.
 */
function residualBytesOf(
  config: typeof tinyDecoder,
  { rows, length }: Pack,
  { bytesPerNumber, adapted }: { bytesPerNumber: number; adapted: number },
) {
  const widths = mapsReadAgain(config).map((name) => mapShape(name, config).out);
  const products = bytesPerNumber * widths.reduce((sum, width) => sum + width, 0);
  const weights = 4 * config.heads * length;
  return rows * length * (products + 4 * adapted * adapter.width + weights);
}

for (const dtype of ["float32", "bfloat16"] as const) {
  eachEngine(
    `a trunk's gradient has the same bits whether residuals are kept or computed anew, ${dtype}`,
    async (engine) => {
      const decoder = await holdGolden(engine, "llama_tied");
      const { config } = decoder;
      // Blocks that adapt different maps have functions of their own.
      const stored = formulaParameters(adapter, config, "layers.0|layers.1.mlp");
      const parameters = load(adapter, config, stored, "layers.0|layers.1.mlp");
      const trunk = createTrunk(engine, decoder, { adapter, objectives, parameters });
      const pack = packOf();
      const tokens = pack.rows * pack.length;
      const bytesPerNumber = engine.dtype === "bfloat16" ? 2 : 4;
      const sizes = parameters.slice(0, config.layers).map(({ maps }) =>
        residualBytesOf(config, pack, { bytesPerNumber, adapted: maps.length })
      );
      const slopes = tf.randomNormal([tokens, config.width], 0, 1, "float32", 3) as tf.Tensor2D;
      const { total } = engine.residualBytes;
      // What is read for the first time is uploaded.
      await valuesOf(trunk.hiddenWithGradient(pack, preferences).backward(slopes));

      const found: Record<string, Float32Array[]> = {};
      for (const [name, blocks] of Object.entries({ none: 0, one: 1, all: config.layers })) {
        const spare = Math.min(...sizes) / 2; // no block's
        const kept = sizes.slice(0, blocks).reduce((sum, size) => sum + size, 0);
        await withBudget(engine, kept + spare, async () => {
          const live = engine.liveTensors();
          const trace = trunk.hiddenWithGradient(pack, preferences);
          assert.equal(engine.residualBytes.left, spare, `${name}: bytes left`);
          const hidden = (await trace.hidden.data() as Float32Array).slice();
          found[name] = [hidden, ...await valuesOf(trace.backward(slopes))];
          assert.equal(engine.liveTensors(), live, `${name}: tensors are left`);
        });
        assert.equal(engine.residualBytes.left, total, `${name}: bytes are not given back`);
      }
      assert.equal(found.all?.length, 1 + parameters.flatMap(({ tensors }) => tensors).length);
      for (const other of ["none", "one"]) {
        found.all.forEach((values, i) => {
          assert(values.some((value) => value !== 0), `gradient ${i} is zero`);
          assertSameBits(found[other]?.[i] ?? new Float32Array(), values, `${other}, tensor ${i}`);
        });
      }

      const live = engine.liveTensors();
      const dropped = trunk.hiddenWithGradient(pack, preferences);
      assert(engine.residualBytes.left < total);
      dropped.dispose();
      dropped.dispose(); // twice is once
      assert.deepEqual([engine.residualBytes.left, engine.liveTensors()], [total, live]);
      slopes.dispose();
      disposeParameters(parameters);
      decoder.dispose();
    },
    dtype === "float32" ? {} : { engines: ["tensorflow"], dtype },
  );
}

eachEngine(
  "a full policy's gradient has the same bits whether residuals are kept or computed anew",
  async (engine) => {
    const random = new Random(2);
    const shapes = familyOf(tinyDecoder).weightShapes(tinyDecoder);
    const parameters = await loadWeights(tinyDecoder, (name) => {
      const size = (shapes.get(name) ?? []).reduce((product, dim) => product * dim, 1);
      return Float32Array.from({ length: size }, () => 0.3 * random.normal());
    });
    const policy = createFullPolicy(engine, tinyDecoder, parameters);
    const ids = (n: number) =>
      Int32Array.from({ length: n }, () => random.integer(tinyDecoder.vocabSize));
    const sequences = [{ prompt: ids(3), response: ids(5) }, { prompt: ids(2), response: ids(4) }];
    const [pack] = packSequences(sequences, { rowLength: 16, maxTokens: 64 });
    assert(pack);
    const slopes = Float32Array.from(pack.targets, () => random.normal());
    const each = residualBytesOf(tinyDecoder, pack, { bytesPerNumber: 4, adapted: 0 });

    const found: Float32Array[][] = [];
    for (const blocks of [tinyDecoder.layers, 1, 0]) {
      await withBudget(engine, blocks * each, async () => {
        const trace = await policy.logProbsWithGradient(pack, []);
        assert.equal(engine.residualBytes.left, 0);
        found.push(await valuesOf(trace.backward(slopes)));
        assert.equal(engine.residualBytes.left, blocks * each);
      });
    }
    const [all = [], ...others] = found;
    assert(all.length > 0);
    for (const other of others) {
      all.forEach((values, i) => assertSameBits(other[i] ?? new Float32Array(), values, `${i}`));
    }
    disposeParameters(parameters);
  },
);
