// The model folder that supervised fine-tuning ends with, in Hugging Face's transformers: it loads as
// it is, and gives held-out answers the probabilities that the run's own report tells.
import assert from "node:assert/strict";
import { join } from "node:path";
import { presets, RunConfig } from "../../../core/config.ts";
import { loadInstructions } from "../../../data/datasets/instructions/mod.ts";
import { runTraining } from "../../../workers/training.ts";
import { whyMissing } from "../../engines.ts";
import { assertNear } from "../../near.ts";
import { runPython, whyNoModules } from "../../python.ts";

const missing = await whyNoModules("torch", "transformers") ?? whyMissing("tensorflow");
/** −log p and tokens of every answer, by transformers. */
const losses = new URL("./transformers_losses.py", import.meta.url);

for (const tuning of ["full", "adapter"] as const) {
  Deno.test({
    name:
      `transformers loads the model folder of sft (${tuning}) and finds the losses it reported` +
      (missing === null ? "" : `: skipped, ${missing}`),
    ignore: missing !== null,
    sanitizeResources: false, // an open library stays with its process
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        const config = RunConfig.parse({
          ...presets.builtin_sft?.values,
          tuning,
          output_dir: join(folder, "run"),
          engine: "tensorflow",
          threads: 1,
          max_steps: 5,
          learning_rate: 1e-3,
          bootstrap: 0,
        });
        const { model, heldOut } = await runTraining(config, {
          env: Deno.env.get,
          signal: new AbortController().signal,
          onEvent: () => {},
        });
        const { examples } = await loadInstructions("builtin", { split: "test" });
        const rows = examples.slice(0, 24).map(({ prompt, completion }) =>
          [prompt, completion].map(([message]) => message?.content)
        );
        const found = await runPython<number[][]>(losses, { args: [model ?? ""], input: rows });
        const { data, points } = heldOut ?? { data: { tokens: [] }, points: [] };
        assert.deepEqual(found.map(([, tokens]) => tokens), data.tokens.slice(0, rows.length));
        const reported = points.at(-1)?.nll.slice(0, rows.length) ?? [];
        assertNear(found.map(([nll = NaN]) => nll), reported, { tolerance: 1e-3 });
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
