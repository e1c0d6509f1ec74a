import assert from "node:assert/strict";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import { mergedWeights } from "../../../core/export/merged_weights.ts";
import { openModel } from "../../../data/models.ts";
import { assertNear, assertSameBits } from "../../near.ts";
import { modelPath, randomParameters } from "../generate/decoders.ts";

Deno.test("mergedWeights() adds the increment to adapted maps, (out, in), and leaves other weights", async () => {
  const { config, weights, close } = await openModel(modelPath("llama_untied_sharded"));
  const adapter = svdLora({ rank: 2, objectives: 2, alpha: 6, init: "orthonormal" });
  const pattern = "layers\\.1\\.mlp\\.up";
  const parameters = randomParameters(adapter, config, { seed: 4, pattern });
  const preference = [0.3, 0.7];
  const read = mergedWeights(weights, { adapter, parameters, preference });
  const adapted = "model.layers.1.mlp.up_proj";
  for (const name of weights.names) {
    const [before, after] = [await weights.read(name), await read(name)];
    if (name !== `${adapted}.weight`) {
      assertSameBits(after, before, name);
      continue;
    }
    const [V, U, sigma, s] = ["V", "U", "sigma", "s"].map((own) => {
      const value = parameters.get(`${adapted}.${own}`);
      assert(value);
      return value;
    });
    const [out = 0, inputs = 0] = weights.shape(name);
    const d = [
      ...sigma?.values ?? [],
      ...preference.map((weight) => weight * (s?.values[0] ?? NaN)),
    ];
    const expected = before.map((value, at) => {
      const [o, i] = [Math.floor(at / inputs), at % inputs];
      // eq. 5: alpha/(k+m) = 6/4
      return value +
        1.5 *
          d.reduce(
            (sum, factor, r) =>
              sum + (V?.values[i * d.length + r] ?? NaN) * factor * (U?.values[r * out + o] ?? NaN),
            0,
          );
    });
    assertNear(after, expected, { tolerance: 1e-6 });
    assert.notDeepEqual(after, before);
  }
  close();
});
