// Exports in Hugging Face's libraries: PEFT and transformers give our logits (bar 17: 11 λ, 1e-4).
import assert from "node:assert/strict";
import { join } from "node:path";
import { runExport } from "../../workers/export.ts";
import { modelPath, randomIds } from "../core/generate/decoders.ts";
import { familyFolders, goldens } from "../core/models/family_checkpoints.ts";
import { largestDifference } from "../near.ts";
import { runPython, whyNoModules } from "../python.ts";
import {
  elevenPreferences,
  ownLogits,
  silent,
  storeRandomAdapter,
  tell,
} from "./export_fixture.ts";

const TOLERANCE = 1e-4;
const missing = await whyNoModules("torch", "transformers", "peft");
const script = new URL("./export_logits.py", import.meta.url);

interface Found {
  peft: number[][][]; // (N, T, V)
  merged: number[][][];
  weighted: number[][][];
  scaled: number[][][];
}

function peftTest(name: string, fn: (folder: string) => Promise<void>, ignore = missing): void {
  Deno.test({
    name: ignore === null ? name : `${name}: skipped, ${ignore}`,
    ignore: ignore !== null,
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

/** The PEFT adapters of a split, each with its scale at every λ. */
function splitOf(folder: string, preferences = elevenPreferences) {
  return {
    folder,
    names: ["0-shared", "1-helpful", "2-harmless"],
    scales: preferences.map((preference) => [1, ...preference]),
  };
}

/** The largest difference of logits over all preferences and tokens. */
function difference(found: number[][][], own: Float32Array[][]): number {
  assert.deepEqual(found.length, own.length);
  return largestDifference(found.flat(2), own.flat().flatMap((row) => [...row]));
}

/** How far apart our answers are at different λ: what the tolerance is to be seen against. */
function spread(own: Float32Array[][]): number {
  return largestDifference(own[0]?.at(-1) ?? [], own.at(-1)?.at(-1) ?? []);
}

peftTest(
  "PEFT gives our logits at 11 λ, of one λ a folder and of the parts together",
  async (folder) => {
    const ids = randomIds(12, { seed: 3, vocabSize: 60 });
    const models = ["llama_tied", "llama_untied_sharded", "builtin"];
    const sources = [];
    const input = [];
    for (const model of models) {
      const adapter = join(folder, model);
      sources.push(await storeRandomAdapter(adapter, { model }));
      const peft: string[] = [];
      for (const [i, preference] of elevenPreferences.entries()) {
        const output = join(folder, `${model}-${i}`);
        const request = {
          adapter,
          format: "peft",
          preference: preference.join(","),
          output,
        } as const;
        await runExport(request, silent);
        peft.push(output);
      }
      const output = join(folder, `${model}-split`);
      const { ranks } = await runExport({ adapter, format: "split", output }, silent);
      assert.deepEqual(ranks, [3, 1, 1]);
      input.push({ base: modelPath(model), ids, peft, split: splitOf(output) });
    }
    const results = await runPython<Found[]>(script, { input });
    for (const [m, found] of results.entries()) {
      const model = models[m] ?? "";
      const own = await ownLogits(model, sources[m] ?? null, {
        ids,
        preferences: elevenPreferences,
      });
      assert(spread(own) > 100 * TOLERANCE, `${model}: λ moves logits by ${spread(own)} only`);
      for (const way of ["peft", "weighted", "scaled"] as const) {
        const off = difference(found[way], own);
        tell(`${model}, ${way}: largest logit difference at 11 λ ${off.toExponential(1)}`);
        assert(off <= TOLERANCE, `${model}, ${way}: logits differ by ${off}`);
      }
    }
  },
);

peftTest(
  "transformers and our reader open merged folders and give our logits at 11 λ",
  async (folder) => {
    const adapter = join(folder, "run");
    const source = await storeRandomAdapter(adapter, { model: "builtin" });
    const ids = randomIds(12, { seed: 3, vocabSize: 60 });
    const merged: string[] = [];
    for (const [i, preference] of elevenPreferences.entries()) {
      const output = join(folder, `merged-${i}`);
      const request = {
        adapter,
        format: "merged",
        preference: preference.join(","),
        output,
      } as const;
      await runExport(request, silent);
      merged.push(output);
    }
    const [found] = await runPython<[Found]>(script, { input: [{ ids, merged }] });
    const own = await ownLogits("builtin", source, { ids, preferences: elevenPreferences });
    assert(spread(own) > 100 * TOLERANCE, `λ moves logits by ${spread(own)} only`);
    const off = difference(found.merged, own);
    tell(`merged: largest logit difference at 11 λ ${off.toExponential(1)}`);
    assert(off <= TOLERANCE, `logits differ by ${off}`);
    for (const i of [0, 3, 10]) {
      const [again = []] = await ownLogits(merged[i] ?? "", null, { ids, preferences: [[]] });
      const gap = largestDifference(
        again.flatMap((r) => [...r]),
        own[i]?.flatMap((r) => [...r]) ?? [],
      );
      assert(gap <= TOLERANCE, `our reader of merged-${i}: logits differ by ${gap}`);
    }
  },
);

peftTest("transformers opens merged folders of 16-bit weights, and says which", async (folder) => {
  const adapter = join(folder, "run");
  const source = await storeRandomAdapter(adapter, { model: "builtin" });
  const ids = randomIds(12, { seed: 3, vocabSize: 60 });
  const preference = [0.3, 0.7];
  const own = await ownLogits("builtin", source, { ids, preferences: [preference] });
  const merged: string[] = [];
  const dtypes = ["float16", "bfloat16"] as const;
  for (const dtype of dtypes) {
    const output = join(folder, dtype);
    await runExport({ adapter, format: "merged", preference: "0.3,0.7", output, dtype }, silent);
    const config = JSON.parse(await Deno.readTextFile(join(output, "config.json")));
    assert.equal(config.torch_dtype, dtype);
    merged.push(output);
  }
  const [found] = await runPython<[Found]>(script, { input: [{ ids, merged }] });
  for (const [i, output] of merged.entries()) {
    // The same rounded weights, read by our own reader: only the sums differ.
    const rounded = await ownLogits(output, null, { ids, preferences: [[]] });
    const off = difference(found.merged.slice(i, i + 1), rounded);
    assert(off <= TOLERANCE, `${dtypes[i]}: logits differ by ${off}`);
    const rounding = difference(found.merged.slice(i, i + 1), own);
    assert(rounding > 0 && rounding < 0.2, `${dtypes[i]}: rounding moves logits by ${rounding}`);
  }
});

peftTest(
  "PEFT takes an adapter of some maps of some blocks, and Rewarded Soups",
  async (folder) => {
    const ids = randomIds(12, { seed: 3, vocabSize: 60 });
    const cases = {
      some: { model: "llama_tied", pattern: "layers\\.1\\.(self_attn\\.[qk]|mlp\\.down)" },
      soups: { model: "llama_tied", kind: "rewarded_soups", members: [[1, 0], [0, 1]] },
      discrete: {
        model: "llama_tied",
        kind: "discrete_policies",
        members: [[0, 1], [0.5, 0.5], [1, 0]],
      },
    };
    const ranks = { some: 3 + 2, soups: 2 * (3 + 1), discrete: 3 + 1 };
    const sources = [];
    const input = [];
    for (const [name, given] of Object.entries(cases)) {
      const adapter = join(folder, name);
      sources.push(await storeRandomAdapter(adapter, given));
      const output = join(folder, `${name}-peft`);
      const request = { adapter, format: "peft", preference: "0.3,0.7", output } as const;
      const report = await runExport(request, silent);
      assert.deepEqual(report.ranks, [ranks[name as keyof typeof ranks]]);
      input.push({ base: modelPath(given.model), ids, peft: [output] });
    }
    const results = await runPython<Found[]>(script, { input });
    for (const [i, name] of Object.keys(cases).entries()) {
      const request = { ids, preferences: [[0.3, 0.7]] };
      const own = await ownLogits("llama_tied", sources[i] ?? null, request);
      const off = difference(results[i]?.peft ?? [], own);
      assert(off <= TOLERANCE, `${name}: logits differ by ${off}`);
    }
  },
);

peftTest("PEFT gives our logits on the base models of every family", async (folder) => {
  const preferences = [[0, 1], [0.3, 0.7], [1, 0]];
  const models = familyFolders;
  const { ids } = goldens;
  const sources = [];
  const input = [];
  for (const model of models) {
    const adapter = join(folder, model);
    sources.push(await storeRandomAdapter(adapter, { model }));
    const output = join(folder, `${model}-split`);
    await runExport({ adapter, format: "split", output }, silent);
    input.push({
      base: modelPath(model),
      ids,
      split: splitOf(output, preferences),
      ways: ["scaled"],
    });
  }
  const results = await runPython<Found[]>(script, { input });
  for (const [m, { scaled }] of results.entries()) {
    const model = models[m] ?? "";
    const own = await ownLogits(model, sources[m] ?? null, { ids, preferences });
    const off = difference(scaled, own);
    assert(off <= TOLERANCE, `${model}: logits differ by ${off}`);
    assert(spread(own) > 100 * TOLERANCE, `${model}: λ moves logits by ${spread(own)} only`);
  }
});

const smollm2 = Deno.env.get("PANACEA_SMOLLM2_GGUF");
peftTest(
  "PEFT gives our logits of SmolLM2-135M-Instruct at 11 λ, as near as its own float32 is to float64",
  async (folder) => {
    const adapter = join(folder, "run");
    const model = smollm2 ?? "";
    const source = await storeRandomAdapter(adapter, { model, size: 1 });
    const ids = [1, 4093, 198];
    const split = join(folder, "split");
    await runExport({ adapter, format: "split", output: split }, silent);
    const parts = splitOf(split);
    const input = { gguf: model, ids, split: parts, ways: ["scaled"] };
    const [found, exact] = await runPython<[Found, Found]>(script, {
      input: [input, { ...input, exact: true }],
    });
    const own = await ownLogits(model, source, { ids, preferences: elevenPreferences });
    assert(spread(own) > 1000 * TOLERANCE, `λ moves logits by ${spread(own)} only`);
    const off = {
      fromExact: difference(exact.scaled, own),
      peftFromExact: largestDifference(found.scaled.flat(2), exact.scaled.flat(2)),
      fromPeft: difference(found.scaled, own),
    };
    tell(`largest logit differences: ${JSON.stringify(off)}`);
    // Thirty blocks of float32 sums, in another order there than here: neither is nearer than this.
    assert(off.fromExact <= 1.5 * TOLERANCE, JSON.stringify(off));
    assert(off.fromPeft <= off.fromExact + off.peftFromExact, JSON.stringify(off));
  },
  missing ?? (smollm2 ? null : "PANACEA_SMOLLM2_GGUF is not set"),
);
