// Every family in the decoding graph: prompts and steps against PyTorch, rows of mixed λ against the
// training engine's whole forward pass.
import assert from "node:assert/strict";
import {
  adaptedMaps,
  disposeParameters,
  loadParameters,
} from "../../../core/adapters/parameters.ts";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import { createPolicy } from "../../../core/policy.ts";
import { eachEngine } from "../../engines.ts";
import { assertSameBits, largestDifference } from "../../near.ts";
import { familyFolders, familyModels, goldens } from "../models/family_checkpoints.ts";
import { holdModel } from "../models/golden_models.ts";
import {
  type Course,
  decodeTogether,
  engineLogits,
  modelPath,
  randomIds,
  randomParameters,
  withDecoder,
} from "./decoders.ts";

const objectives = 2;
const adapter = svdLora({ rank: 3, objectives, alpha: 5, init: "orthonormal" });

for (const [path, { logits: expected }] of Object.entries(familyModels)) {
  Deno.test(`prefill() and step() give transformers' logits of ${path}`, async () => {
    await withDecoder(path, {}, async (decoder) => {
      const sequence = decoder.start({ adapter: null, preference: [] });
      for (const [t, id] of goldens.ids.entries()) {
        const stepped = t === 0
          ? await decoder.prefill(sequence, [id])
          : await decoder.step([sequence], [id]);
        const offStep = largestDifference(stepped, expected[t] ?? []);
        assert(offStep <= 1e-4, `step ${t}: ${offStep}`);
        const whole = decoder.start({ adapter: null, preference: [] });
        await decoder.prefill(whole, goldens.ids.slice(0, t >> 1)).catch(() => {}); // none of 0
        const logits = await decoder.prefill(whole, goldens.ids.slice(t >> 1, t + 1));
        const off = largestDifference(logits, expected[t] ?? []);
        assert(off <= 1e-4, `prompt of ${t + 1} in two pieces: ${off}`);
        whole.dispose();
      }
      sequence.dispose();
    });
  });
}

for (const path of familyFolders) {
  eachEngine(
    `rows of mixed λ decode as the training engine computes them: ${path}`,
    async (engine) => {
      const held = await holdModel(engine, modelPath(path));
      const { config } = held;
      const parameters = randomParameters(adapter, config, { seed: 1 });
      const loaded = loadParameters(adapter, adaptedMaps(config, "layers."), parameters);
      const policy = createPolicy(engine, held, { adapter, objectives, parameters: loaded });
      const V = config.vocabSize;
      await withDecoder(path, {}, async (decoder) => {
        const own = decoder.loadAdapter({ id: "a", adapter, objectives, parameters });
        const courses = [[3, 1], [11, 0.3], [20, 0], [1, 0.8]].map((
          [length = 0, share = 0],
          i,
        ) => ({
          adapter: own,
          preference: [share, 1 - share],
          prompt: randomIds(length, { seed: i, vocabSize: V }),
          tokens: randomIds(12, { seed: 10 + i, vocabSize: V }),
        })) satisfies Course[];
        const together = await decodeTogether(decoder, courses);
        for (const [i, course] of courses.entries()) {
          const ids = [...course.prompt, ...course.tokens];
          const request = { ids, preference: course.preference, rowLength: ids.length + 1 };
          const expected = await engineLogits(engine, { held, policy }, request);
          const alone = (await decodeTogether(decoder, [course]))[0] ?? [];
          for (const [t, logits] of (together[i] ?? []).entries()) {
            const at = (course.prompt.length - 1 + t) * V;
            const off = largestDifference(logits, expected.subarray(at, at + V));
            assert(off <= 1e-4, `row ${i}, token ${t}: ${off}`);
            assertSameBits(logits, alone[t] ?? new Float32Array(), `row ${i}, token ${t}`);
          }
        }
      });
      disposeParameters(loaded);
      held.dispose();
    },
  );
}

// Rows of 16 numbers have a block of their own each, and what they round away is a lot of so few.
for (const format of ["int8", "int4"] as const) {
  Deno.test(`rounded weights stay near exact ones in every family, ${format}`, async (t) => {
    for (const path of familyFolders) {
      await t.step(path, async () => {
        const course = { adapter: null, preference: [], prompt: [4, 5, 6], tokens: [7, 8, 9] };
        let exact: Float32Array[] = [];
        await withDecoder(path, {}, async (decoder) => {
          exact = (await decodeTogether(decoder, [course]))[0] ?? [];
        });
        await withDecoder(path, { format }, async (decoder) => {
          const rounded = (await decodeTogether(decoder, [course]))[0] ?? [];
          const all = exact.flatMap((row) => [...row]);
          const spread = Math.sqrt(all.reduce((sum, x) => sum + x * x, 0) / all.length);
          const off = Math.sqrt(
            rounded.flatMap((row) => [...row])
              .reduce((sum, x, i) => sum + (x - (all[i] ?? NaN)) ** 2, 0) / all.length,
          );
          assert(off <= (format === "int8" ? 0.1 : 0.6) * spread, `${off} of ${spread}`);
        });
      });
    }
  });
}
