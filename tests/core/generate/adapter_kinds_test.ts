// Every trained kind of adapter answers in the decoding graph as on the training engine.
import assert from "node:assert/strict";
import { adapters } from "../../../core/adapters/mod.ts";
import {
  adaptedMaps,
  disposeParameters,
  loadParameters,
} from "../../../core/adapters/parameters.ts";
import { createPolicy } from "../../../core/policy.ts";
import { eachEngine } from "../../engines.ts";
import { largestDifference } from "../../near.ts";
import { formulaParameters, holdModel } from "../models/golden_models.ts";
import { engineLogits, modelPath, randomIds, withDecoder } from "./decoders.ts";

const objectives = 2;

for (const [name, kind] of Object.entries(adapters)) {
  eachEngine(`${name}: the decoding graph's logits are the training engine's`, async (engine) => {
    const held = await holdModel(engine, modelPath("builtin"));
    const { config } = held;
    const adapter = kind({ rank: 3, objectives, alpha: 0.5, init: "gaussian" });
    const parameters = formulaParameters(adapter, config);
    const loaded = loadParameters(adapter, adaptedMaps(config, "layers."), parameters);
    const policy = createPolicy(engine, held, { adapter, objectives, parameters: loaded });
    const ids = randomIds(12, { seed: 4, vocabSize: config.vocabSize });
    await withDecoder("builtin", {}, async (decoder) => {
      const own = decoder.loadAdapter({ id: name, adapter, objectives, parameters });
      const plain = decoder.start({ adapter: null, preference: [] });
      const without = (await decoder.prefill(plain, ids)).slice();
      plain.dispose();
      for (const preference of [[1, 0], [0.3, 0.7]]) {
        const sequence = decoder.start({ adapter: own, preference });
        const found = await decoder.prefill(sequence, ids);
        const whole = await engineLogits(engine, { held, policy }, {
          ids,
          preference,
          rowLength: 16,
        });
        const off = largestDifference(found, whole.subarray(-config.vocabSize));
        assert(off <= 1e-4, `λ = ${preference}: logits differ by ${off}`);
        assert(largestDifference(found, without) > 0.1, "the adapter moves them");
        sequence.dispose();
      }
    });
    disposeParameters(loaded);
    held.dispose();
  });
}
