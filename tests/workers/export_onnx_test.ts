// ONNX exports in PyPI onnxruntime: the card's own program gives our logits at 5 λ.
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import type { WeightFormat } from "../../core/generate/decoder.ts";
import { readFolderVerified } from "../../data/store/manifest.ts";
import { runExport } from "../../workers/export.ts";
import { randomIds } from "../core/generate/decoders.ts";
import { largestDifference } from "../near.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { runPython, whyNoModules } from "../python.ts";
import { ownLogits, silent, storeRandomAdapter, tell } from "./export_fixture.ts";

const smollm2 = Deno.env.get("PANACEA_SMOLLM2_GGUF");
const missing = await whyNoModules("onnxruntime", "numpy");
const fivePreferences = [[0, 1], [0.25, 0.75], [0.5, 0.5], [0.8, 0.2], [1, 0]];
const page = () => Promise.resolve({ "index.html": new TextEncoder().encode("<p>page</p>") });

Deno.test({
  name: "onnxruntime gives our logits at 5 λ by the card's program, in every format" +
    (missing === null ? "" : `: skipped, ${missing}`),
  ignore: missing !== null,
  async fn() {
    await using temporary = await temporaryFolder();
    const { path: folder } = temporary;
    const ids = randomIds(8, { seed: 3, vocabSize: 60 });
    // Whole numbers round what they multiply to 8 bits too, where a last bit decides now and then: runs
    // of the same graph then differ, in tokens at a time as much as from one build to another.
    const tolerance = { float32: 1e-3, int8: 0.2, int4: 0.2 };
    const cases: { model: string; dtype: WeightFormat }[] = [
      { model: "builtin", dtype: "float32" },
      ...smollm2 === undefined ? [] : [{ model: smollm2, dtype: "float32" } as const],
      { model: "builtin", dtype: "int8" },
      { model: "builtin", dtype: "int4" },
    ];
    const own: Float32Array[][] = [];
    const input = [];
    for (const [i, { model, dtype }] of cases.entries()) {
      const run = join(folder, `run${i}`);
      const output = join(folder, `out${i}`);
      const source = await storeRandomAdapter(run, { model, seed: i });
      await runExport({ adapter: run, format: "onnx", dtype, output, page }, silent);
      await readFolderVerified(output);
      const wanted = { ids, preferences: fivePreferences };
      const logits = await ownLogits(model, source, { ...wanted, format: dtype });
      own.push(logits.map((rows) => rows.at(-1) ?? new Float32Array()));
      input.push({ folder: output, ...wanted });
    }
    const script = new URL("./export_onnx.py", import.meta.url);
    const found = await runPython<number[][][]>(script, { input });
    for (const [i, { model, dtype }] of cases.entries()) {
      const mine = own[i] ?? [];
      const difference = largestDifference(
        found[i]?.flat() ?? [],
        mine.flatMap((row) => [...row]),
      );
      const moved = largestDifference(mine[0] ?? [], mine.at(-1) ?? []);
      tell(
        `${basename(model)}, ${dtype}: largest logit difference at 5 λ ${
          difference.toExponential(1)
        }, ` +
          `λ moves logits by ${moved.toFixed(2)}`,
      );
      assert(difference < tolerance[dtype], `${model}, ${dtype}: ${difference}`);
      assert(moved > 2 * tolerance[dtype], `${model}, ${dtype}: ${moved}`);
    }
  },
});

Deno.test("an ONNX export is refused without a page, in types it has not, and where λ picks a policy", async () => {
  await using temporary = await temporaryFolder();
  const { path: folder } = temporary;
  const run = join(folder, "run");
  const output = join(folder, "out");
  await storeRandomAdapter(run, { model: "builtin" });
  const request = { adapter: run, format: "onnx", output } as const;
  await assert.rejects(runExport(request, silent), {
    name: "InputError",
    message:
      "Cannot export onnx: expected the page that runs it (made by deno task offline_page), " +
      "got none",
  });
  await assert.rejects(runExport({ ...request, page, dtype: "bfloat16" }, silent), {
    name: "InputError",
    message: "Cannot export onnx: expected dtype to be one of float32, int8, int4, got bfloat16",
  });
  await assert.rejects(runExport({ ...request, page, preference: "1,0" }, silent), {
    name: "InputError",
    message: "Cannot export onnx: expected no preference, because its files serve every λ, got 1,0",
  });
  const policies = join(folder, "policies");
  const members = [[1, 0], [0, 1]];
  await storeRandomAdapter(policies, { model: "builtin", kind: "discrete_policies", members });
  await assert.rejects(runExport({ ...request, adapter: policies, page }, silent), {
    name: "InputError",
    message:
      "Cannot export the adapter for every λ: expected one that is affine in λ, got policies " +
      "of which the nearest to λ answers",
  });
  assert.deepEqual((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort(), [
    "policies",
    "run",
  ]);
});
