// Model folders that fine-tuning writes, of every family: transformers opens them and finds the logits
// of the checkpoint that the weights came from, whether that was a folder or a GGUF file.
import assert from "node:assert/strict";
import { join } from "node:path";
import type { DecoderConfig } from "../../core/models/config.ts";
import { traitsOf } from "../../core/models/traits.ts";
import { openModel } from "../../data/models.ts";
import { storeModel } from "../../workers/store_model.ts";
import { familyModels, goldens } from "../core/models/family_checkpoints.ts";
import { modelPath } from "../core/generate/decoders.ts";
import { largestDifference } from "../near.ts";
import { runPython, whyNoModules } from "../python.ts";

const missing = await whyNoModules("torch", "transformers", "peft");

/** A configuration that names all of its traits. */
const withTraits = (config: DecoderConfig) => ({ ...config, traits: traitsOf(config) });

Deno.test({
  name: "transformers opens a written model folder of every family with equal logits" +
    (missing === null ? "" : `: skipped, ${missing}`),
  ignore: missing !== null,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const merged: string[] = [];
      for (const [i, path] of Object.keys(familyModels).entries()) {
        const opened = await openModel(modelPath(path));
        const target = join(folder, `${i}`);
        await storeModel(target, {
          opened: { ...opened, textFiles: () => Promise.resolve({}) }, // the checkpoints have no text
          files: {},
          dtype: "F32",
          read: opened.weights.read,
        });
        opened.close();
        merged.push(target);
        const again = await openModel(target);
        again.close();
        assert.deepEqual(withTraits(again.config), withTraits(opened.config));
      }
      const script = new URL("./export_logits.py", import.meta.url);
      const [found] = await runPython<{ merged: number[][][] }[]>(script, {
        input: [{ base: null, ids: goldens.ids, merged }],
      });
      for (const [i, [path, { logits }]] of Object.entries(familyModels).entries()) {
        const off = largestDifference(found?.merged[i]?.flat() ?? [], logits.flat());
        assert(off <= 1e-4, `${path}: logits differ by ${off}`);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
