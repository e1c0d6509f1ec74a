// Exports in llama.cpp (node-llama-cpp): LoRAs at one λ, and the parts of a split whose scales make λ
// at request time, give our logits at 11 λ.
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runExport } from "../../workers/export.ts";
import { randomIds } from "../core/generate/decoders.ts";
import { familyModels, goldens } from "../core/models/family_checkpoints.ts";
import { largestDifference } from "../near.ts";
import { llamaLogits, type ScaledFile } from "./llama_logits.ts";
import {
  elevenPreferences,
  ownLogits,
  silent,
  storeRandomAdapter,
  tell,
} from "./export_fixture.ts";

const folderOfLlama = Deno.env.get("PANACEA_LLAMA");
const smollm2 = Deno.env.get("PANACEA_SMOLLM2_GGUF");

function llamaTest(
  name: string,
  fn: (folder: string) => Promise<void>,
  missing = folderOfLlama ? null : "PANACEA_LLAMA is not set",
): void {
  Deno.test({
    name: missing === null ? name : `${name}: skipped, ${missing}`,
    ignore: missing !== null,
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        await fn(folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

/** The parts of a split with their scales at each λ. */
function partsAt(folder: string, preferences: number[][]): ScaledFile[][] {
  const names = ["0-shared", "1-helpful", "2-harmless"];
  return preferences.map((preference) =>
    [1, ...preference].map((scale, i) => ({ filePath: join(folder, `${names[i]}.gguf`), scale }))
  );
}

function flat(rows: ArrayLike<number>[][]): number[] {
  return rows.flat().flatMap((row) => Array.from(row));
}

llamaTest(
  "llama.cpp gives our logits at 11 λ: LoRAs of one λ, and the parts by their scales",
  async (folder) => {
    const model = "llama_gguf/llama_cpp.gguf"; // float32, so that only the order of sums differs
    const adapter = join(folder, "run");
    const source = await storeRandomAdapter(adapter, { model });
    const ids = randomIds(12, { seed: 3, vocabSize: 64 });
    const ofOne: ScaledFile[][] = [];
    for (const [i, preference] of elevenPreferences.entries()) {
      const output = join(folder, `lora-${i}`);
      const request = { adapter, format: "gguf-lora", output } as const;
      await runExport({ ...request, preference: preference.join(",") }, silent);
      ofOne.push([{ filePath: join(output, "adapter.gguf"), scale: 1 }]);
    }
    const split = join(folder, "split");
    await runExport({ adapter, format: "split", output: split }, silent);
    const cases = [...ofOne, ...partsAt(split, elevenPreferences)];
    const path = fileURLToPath(new URL(`../golden/${model}`, import.meta.url));
    const found = await llamaLogits(path, { ids, cases });
    const own = await ownLogits(model, source, { ids, preferences: elevenPreferences });
    const spread = largestDifference(own[0]?.at(-1) ?? [], own[10]?.at(-1) ?? []);
    const off = {
      one: largestDifference(flat(found.slice(0, 11)), flat(own)),
      parts: largestDifference(flat(found.slice(11)), flat(own)),
    };
    tell(
      `largest logit difference at 11 λ: ${off.one.toExponential(1)} for LoRAs of one λ, ` +
        `${off.parts.toExponential(1)} for the parts; λ moves logits by ${spread.toFixed(2)}`,
    );
    assert(spread > 0.1 && off.one <= 1e-4 && off.parts <= 1e-4, JSON.stringify({ spread, off }));
  },
);

llamaTest(
  "llama.cpp gives our logits with the parts on the GGUF file of every family",
  async (folder) => {
    const preferences = [[0, 1], [0.3, 0.7], [1, 0]];
    for (const model of Object.keys(familyModels).filter((path) => path.endsWith(".gguf"))) {
      // llama.cpp leaves Phi-3's window of 6 out; Gemma's GELU it looks up in half precision.
      const ids = goldens.ids.slice(0, model.endsWith("/phi3.gguf") ? 6 : goldens.ids.length);
      const tolerance = model.includes("gemma") ? 1e-2 : 1e-4;
      const adapter = join(folder, basename(model));
      const source = await storeRandomAdapter(adapter, { model });
      const split = join(folder, `${basename(model)}-split`);
      await runExport({ adapter, format: "split", output: split }, silent);
      const path = fileURLToPath(new URL(`../golden/${model}`, import.meta.url));
      const found = await llamaLogits(path, { ids, cases: partsAt(split, preferences) });
      const own = await ownLogits(model, source, { ids, preferences });
      const off = largestDifference(flat(found), flat(own));
      assert(off <= tolerance, `${model}: logits differ by ${off}`);
      const spread = largestDifference(own[0]?.at(-1) ?? [], own[2]?.at(-1) ?? []);
      assert(spread > 10 * tolerance, `${model}: λ moves logits by ${spread} only`);
    }
  },
);

// The file's weights are the same, but llama.cpp multiplies Q4_1 blocks with activations rounded to
// 8 bits: its logits are off by that without any adapter too. With the same weights as F32 GGUF they
// are off by 7e-5 without and 1.2e-4 with the parts (docs/log.md).
llamaTest(
  "llama.cpp on SmolLM2 at Q4_1: the parts follow λ by far more than its 8-bit activations blur",
  async (folder) => {
    const model = smollm2 ?? "";
    const adapter = join(folder, "run");
    const source = await storeRandomAdapter(adapter, { model, size: 4 });
    const ids = [1, 4093, 198, 1780, 314, 260];
    const preferences = [[0, 1], [0.3, 0.7], [0.9, 0.1]];
    const split = join(folder, "split");
    await runExport({ adapter, format: "split", output: split }, silent);
    const cases = [[], ...partsAt(split, preferences)];
    const [plain = [], ...adapted] = await llamaLogits(model, { ids, cases });
    const [ownPlain = []] = await ownLogits(model, null, { ids, preferences: [[]] });
    const own = await ownLogits(model, source, { ids, preferences });
    const off = {
      base: meanDifference([plain], [ownPlain]),
      parts: meanDifference(adapted, own),
      atOtherPreference: meanDifference(adapted, own.toReversed()),
      largest: largestDifference(flat(adapted), flat(own)),
    };
    tell(`mean and largest logit differences: ${JSON.stringify(off)}`);
    assert(off.parts <= 2 * off.base && off.atOtherPreference > 2 * off.parts);
    const choices = (cases: ArrayLike<number>[][]) => cases.flat().map(indexOfLargest);
    assert.deepEqual(choices(adapted), choices(own)); // greedy tokens
  },
  folderOfLlama ? smollm2 ? null : "PANACEA_SMOLLM2_GGUF is not set" : "PANACEA_LLAMA is not set",
);

function indexOfLargest(row: ArrayLike<number>): number {
  return Array.from(row).reduce((best, value, v, all) => value > (all[best] ?? NaN) ? v : best, 0);
}

/** The mean of |a − b|. */
function meanDifference(a: ArrayLike<number>[][], b: ArrayLike<number>[][]): number {
  const [x, y] = [flat(a), flat(b)];
  assert.equal(x.length, y.length);
  return x.reduce((sum, value, i) => sum + Math.abs(value - (y[i] ?? NaN)), 0) / x.length;
}
