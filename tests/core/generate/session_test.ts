import assert from "node:assert/strict";
import {
  adaptedMaps,
  disposeParameters,
  initParameters,
  loadParameters,
  type StoredParameters,
} from "../../../core/adapters/parameters.ts";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import { InputError } from "../../../core/errors.ts";
import {
  type DecodeAdapter,
  type Decoder,
  PROMPT_CHUNK,
  type Sequence,
  type WeightFormat,
} from "../../../core/generate/decoder.ts";
import { logitError, stepLogits } from "../../../core/generate/logit_error.ts";
import type { DecoderConfig } from "../../../core/models/config.ts";
import { createPolicy } from "../../../core/policy.ts";
import { Random } from "../../../core/random.ts";
import type { OpenedModel } from "../../../data/models.ts";
import { eachEngine } from "../../engines.ts";
import golden from "../../golden/llama_logits.json" with { type: "json" };
import smollm2 from "../../golden/smollm2_logits.json" with { type: "json" };
import { assertSameBits, largestDifference } from "../../near.ts";
import { holdModel } from "../models/golden_models.ts";
import {
  argmax,
  type Course,
  decodeTogether,
  engineLogits,
  greedy,
  modelPath,
  randomIds,
  randomParameters,
  withDecoder,
} from "./decoders.ts";

const smollm2File = Deno.env.get("PANACEA_SMOLLM2_GGUF");
const objectives = 2;
const adapter = svdLora({ rank: 3, objectives, alpha: 5, init: "orthonormal" });
const fivePreferences = [[1, 0], [0.75, 0.25], [0.5, 0.5], [0.3, 0.7], [0, 1]];
const formats: WeightFormat[] = ["float32", "int8", "int4"];

// SmolLM2's weight files take seconds to write: its tests share them.
const smollm2Cache = smollm2File ? Deno.makeTempDirSync() : undefined;
Deno.test.afterAll(async () => {
  if (smollm2Cache !== undefined) await Deno.remove(smollm2Cache, { recursive: true });
});

/** A test on SmolLM2, skipped with its reason where the model is not there. */
function smollm2Test(name: string, fn: (file: string) => Promise<void>): void {
  const reason = smollm2File ? "" : ": skipped, PANACEA_SMOLLM2_GGUF is not set";
  Deno.test({ name: name + reason, ignore: !smollm2File, fn: () => fn(smollm2File ?? "") });
}

function load(
  decoder: Decoder,
  parameters: StoredParameters,
  { id = "a", kind = adapter } = {},
): DecodeAdapter {
  return decoder.loadAdapter({ id, adapter: kind, objectives, parameters });
}

const checkpoints: Record<string, keyof typeof golden.logits> = {
  "llama_tied": "tied",
  "llama_untied_sharded": "untied_sharded",
  "llama_linear": "linear",
  "llama_llama3": "llama3",
  "llama_yarn": "yarn",
  "llama_gguf/tied.gguf": "tied",
};

for (const [path, name] of Object.entries(checkpoints)) {
  Deno.test(`prefill() and step() give transformers' logits of ${path}`, async () => {
    await withDecoder(path, {}, async (decoder) => {
      const sequence = decoder.start({ adapter: null, preference: [] });
      for (const [t, id] of golden.ids.entries()) {
        const expected = golden.logits[name][t] ?? [];
        const stepped = t === 0
          ? await decoder.prefill(sequence, [id])
          : await decoder.step([sequence], [id]);
        assert(largestDifference(stepped, expected) <= 1e-5, `step ${t}`);
        const whole = decoder.start({ adapter: null, preference: [] });
        const logits = await decoder.prefill(whole, golden.ids.slice(0, t + 1));
        assert(largestDifference(logits, expected) <= 1e-5, `prompt of ${t + 1}`);
        whole.dispose();
      }
      sequence.dispose();
    });
  });
}

smollm2Test("step() gives transformers' logits of SmolLM2-135M-Instruct", async (file) => {
  await withDecoder(file, { cacheFolder: smollm2Cache }, async (decoder) => {
    const rows = await stepLogits(decoder, smollm2.ids);
    const found = smollm2.positions.flatMap((p) => smollm2.columns.map((c) => rows[p]?.[c] ?? NaN));
    const off = largestDifference(found, smollm2.logits.flat());
    assert(off <= 1e-4, `logits differ by ${off}`);
    assert.deepEqual(
      smollm2.positions.map((p) => argmax(rows[p] ?? new Float32Array())),
      smollm2.argmax,
    );
  });
});

// llama_dynamic: the training engine stretches rows longer than maxPositions, where the decoder stops
for (const model of ["builtin", "llama_untied_sharded", "llama_llama3", "llama_dynamic"]) {
  eachEngine(
    `greedy decoding is that of the training engine at five λ: ${model}`,
    async (engine) => {
      const held = await holdModel(engine, modelPath(model));
      const { config } = held;
      const parameters = randomParameters(adapter, config, { seed: 1 });
      const loaded = loadParameters(adapter, adaptedMaps(config, "layers."), parameters);
      const policy = createPolicy(engine, held, { adapter, objectives, parameters: loaded });
      const V = config.vocabSize;
      const rowLength = Math.min(32, config.maxPositions);
      const length = rowLength - 1;
      const prompt = randomIds(Math.ceil(length / 4), { seed: 2, vocabSize: V });
      await withDecoder(model, {}, async (decoder) => {
        const decodeAdapter = load(decoder, parameters);
        for (const preference of fivePreferences) {
          const start = { adapter: decodeAdapter, preference };
          const tokens = length - prompt.length;
          const ids = await greedy(decoder, { ...start, prompt, tokens });
          const all = [...prompt, ...ids];
          const request = { ids: all, preference, rowLength };
          const logits = await engineLogits(engine, { held, policy }, request);
          const expected = ids.map((_, i) => {
            const at = (prompt.length - 1 + i) * V;
            return argmax(logits.subarray(at, at + V));
          });
          assert.deepEqual(ids, expected, `λ = ${preference}`);
          const sequence = decoder.start(start);
          const off = largestDifference(
            await decoder.prefill(sequence, all),
            logits.subarray(-V),
          );
          assert(off <= 1e-4, `logits differ by ${off}`);
          sequence.dispose();
        }
      });
      disposeParameters(loaded);
      held.dispose();
    },
  );
}

if (smollm2File) {
  eachEngine("greedy decoding is that of the training engine: SmolLM2", async (engine) => {
    const held = await holdModel(engine, smollm2File);
    const { config } = held;
    const kind = svdLora({ rank: 8, objectives, alpha: 10, init: "orthonormal" });
    const parameters = randomParameters(kind, config, { seed: 1, size: 1 });
    const loaded = loadParameters(kind, adaptedMaps(config, "layers."), parameters);
    const policy = createPolicy(engine, held, { adapter: kind, objectives, parameters: loaded });
    const V = config.vocabSize;
    await withDecoder(smollm2File, { cacheFolder: smollm2Cache }, async (decoder) => {
      const decodeAdapter = load(decoder, parameters, { kind });
      for (const preference of [[1, 0], [0.4, 0.6]]) {
        const prompt = smollm2.ids.slice(0, 9);
        const ids = await greedy(decoder, {
          adapter: decodeAdapter,
          preference,
          prompt,
          tokens: 7,
        });
        const request = { ids: [...prompt, ...ids], preference, rowLength: 17 };
        const logits = await engineLogits(engine, { held, policy }, request);
        const expected = ids.map((_, i) => {
          const at = (prompt.length - 1 + i) * V;
          return argmax(logits.subarray(at, at + V));
        });
        assert.deepEqual(ids, expected, `λ = ${preference}`);
      }
    });
    disposeParameters(loaded);
    held.dispose();
  }, { engines: ["tensorflow"], threads: 2 });
}

for (const format of formats) {
  Deno.test(`a row's logits are the same bits in every batch and slot, ${format}`, async () => {
    const cases = [
      ["builtin", 1],
      ["builtin", 2],
      ["llama_tied", 3],
      ["llama_untied_sharded", 8], // a single key head
    ] as const;
    for (const [model, threads] of cases) {
      await withDecoder(model, { format, threads }, async (decoder, config) => {
        await sameBitsInBatches(decoder, config, [1, 2, 3, 11, 32, 70]);
      });
    }
  });
}

for (const format of formats) {
  smollm2Test(
    `a row's logits are the same bits in every batch, SmolLM2, ${format}`,
    async (file) => {
      await withDecoder(file, { format, cacheFolder: smollm2Cache }, async (decoder, config) => {
        await sameBitsInBatches(decoder, config, [1, 2, 11]);
      });
    },
  );
}

/** Course 0 alone, and among others of other lengths and preferences, first, last and between. */
async function sameBitsInBatches(
  decoder: Decoder,
  config: DecoderConfig,
  sizes: number[],
): Promise<void> {
  const { vocabSize } = config;
  for (
    const decodeAdapter of [null, load(decoder, randomParameters(adapter, config, { seed: 3 }))]
  ) {
    const course = (seed: number): Course => ({
      adapter: decodeAdapter,
      preference: decodeAdapter === null ? [] : fivePreferences[seed % 5] ?? [],
      prompt: randomIds(3 + 5 * seed % 23, { seed, vocabSize }),
      tokens: randomIds(3, { seed: seed + 100, vocabSize }),
    });
    const alone = (await decodeTogether(decoder, [course(0)]))[0] ?? [];
    for (const size of sizes) {
      for (const place of new Set([0, size - 1, size >> 1])) {
        const others = Array.from({ length: size - 1 }, (_, i) => course(i + 1));
        others.splice(place, 0, course(0));
        const among = (await decodeTogether(decoder, others))[place] ?? [];
        alone.forEach((logits, t) => {
          assertSameBits(among[t] ?? new Float32Array(), logits, `token ${t}, ${place} of ${size}`);
        });
      }
    }
  }
}

Deno.test("a long neighbour does not change a row's bits", async () => {
  await withDecoder("builtin", {}, async (decoder, config) => {
    const { vocabSize } = config;
    const decodeAdapter = load(decoder, randomParameters(adapter, config, { seed: 3 }));
    const tokens = randomIds(4, { seed: 9, vocabSize });
    const short = { adapter: decodeAdapter, preference: [0.2, 0.8], prompt: [5, 6, 7], tokens };
    const long = { ...short, prompt: randomIds(120, { seed: 1, vocabSize }) };
    const alone = (await decodeTogether(decoder, [short]))[0] ?? [];
    const beside = (await decodeTogether(decoder, [short, long]))[0] ?? [];
    alone.forEach((logits, t) => {
      assertSameBits(beside[t] ?? new Float32Array(), logits, `token ${t}`);
    });
  });
});

Deno.test("rows that join, wait and leave do not change the others' bits", async () => {
  await withDecoder("builtin", { format: "int8" }, async (decoder, config) => {
    const { vocabSize } = config;
    const decodeAdapter = load(decoder, randomParameters(adapter, config, { seed: 3 }));
    const random = new Random(11);
    const course = (seed: number): Course => ({
      adapter: decodeAdapter,
      preference: fivePreferences[seed % 5] ?? [],
      prompt: randomIds(1 + seed % 9, { seed, vocabSize }),
      tokens: randomIds(8, { seed: seed + 50, vocabSize }),
    });
    const live: { seed: number; sequence: Sequence; done: number }[] = [];
    for (let seed = 0, turn = 0; turn < 60; turn++) {
      if (live.length < 6 && random.uniform() < 0.5) {
        const sequence = decoder.start(course(seed));
        await decoder.prefill(sequence, course(seed).prompt);
        live.push({ seed: seed++, sequence, done: 0 });
      }
      const taking = live.filter(() => random.uniform() < 0.7);
      if (taking.length === 0) continue;
      const logits = await decoder.step(
        taking.map(({ sequence }) => sequence),
        taking.map(({ seed, done }) => course(seed).tokens[done] ?? 0),
      );
      for (const [i, row] of taking.entries()) {
        row.done += 1;
        if (row.done < 8) continue;
        const own = logits.slice(i * vocabSize, (i + 1) * vocabSize);
        row.sequence.dispose();
        live.splice(live.indexOf(row), 1);
        const alone = (await decodeTogether(decoder, [course(row.seed)]))[0] ?? [];
        assertSameBits(own, alone.at(-1) ?? new Float32Array(), `sequence ${row.seed}`);
      }
    }
    live.forEach(({ sequence }) => sequence.dispose());
  });
});

for (const format of formats) {
  Deno.test(`pieces and prefixes of whole chunks give the bits of the prompt, ${format}`, async () => {
    await withDecoder("builtin", { format }, async (decoder, config) => {
      const prompt = randomIds(120, { seed: 4, vocabSize: config.vocabSize });
      const decodeAdapter = load(decoder, randomParameters(adapter, config, { seed: 3 }));
      const start = { adapter: decodeAdapter, preference: [0.5, 0.5] };
      const whole = decoder.start(start);
      const expected = (await decoder.prefill(whole, prompt)).slice();
      const prefix = whole.snapshot(PROMPT_CHUNK);
      const pieces = decoder.start(start);
      await decoder.prefill(pieces, prompt.slice(0, PROMPT_CHUNK));
      assertSameBits(
        await decoder.prefill(pieces, prompt.slice(PROMPT_CHUNK)),
        expected,
        "in pieces",
      );
      const copied = decoder.start({ ...start, prefix });
      assert.equal(copied.length, PROMPT_CHUNK);
      assert.equal(prefix.bytes, PROMPT_CHUNK * decoder.bytesPerToken);
      whole.dispose(); // a prefix lives on
      assertSameBits(
        await decoder.prefill(copied, prompt.slice(PROMPT_CHUNK)),
        expected,
        "after a prefix",
      );
      [pieces, copied].forEach((sequence) => sequence.dispose());
    });
  });
}

Deno.test("a prompt in other pieces, and token by token, has the same logits but for rounding", async () => {
  await withDecoder("builtin", {}, async (decoder, config) => {
    const prompt = randomIds(100, { seed: 4, vocabSize: config.vocabSize });
    const start = { adapter: null, preference: [] };
    const whole = decoder.start(start);
    const expected = await decoder.prefill(whole, prompt);
    whole.dispose();
    for (const length of [1, 7, 50, 99]) {
      const sequence = decoder.start(start);
      let logits = await decoder.prefill(sequence, prompt.slice(0, length));
      if (length === 1) {
        for (const id of prompt.slice(1)) logits = await decoder.step([sequence], [id]);
      } else logits = await decoder.prefill(sequence, prompt.slice(length));
      const off = largestDifference(logits, expected);
      assert(off <= 1e-4, `after ${length}: ${off}`);
      sequence.dispose();
    }
  });
});

Deno.test("a fresh adapter decodes the base model's bits", async () => {
  for (const format of formats) {
    await withDecoder("builtin", { format }, async (decoder, config) => {
      const random = new Random(0);
      const fresh = initParameters(adapter, adaptedMaps(config, "layers."), { config, random });
      const course = { prompt: [4, 5, 6], tokens: [7, 8] };
      const [base] = await decodeTogether(decoder, [{ ...course, adapter: null, preference: [] }]);
      const [own] = await decodeTogether(decoder, [
        { ...course, adapter: load(decoder, fresh), preference: [0.1, 0.9] },
      ]);
      base?.forEach((logits, t) => assertSameBits(own?.[t] ?? logits, logits, `token ${t}`));
    });
  }
});

for (const pattern of ["layers.", "q_proj|v_proj", "layers.1.mlp"]) {
  Deno.test(`an adapter of ${pattern} decodes as the weights with it merged in`, async () => {
    let parameters: StoredParameters | undefined;
    const preference = [0.3, 0.7];
    const course = { prompt: [4, 5, 6], tokens: [7, 8, 9] };
    let adapted: Float32Array[] = [];
    await withDecoder("llama_untied_sharded", {}, async (decoder, config) => {
      parameters = randomParameters(adapter, config, { seed: 8, pattern });
      const request = { ...course, adapter: load(decoder, parameters), preference };
      adapted = (await decodeTogether(decoder, [request]))[0] ?? [];
    });
    const change = (opened: OpenedModel) => mergedModel(opened, parameters, preference);
    await withDecoder("llama_untied_sharded", { change }, async (decoder) => {
      const request = { ...course, adapter: null, preference: [] };
      const merged = (await decodeTogether(decoder, [request]))[0] ?? [];
      merged.forEach((logits, t) => {
        const off = largestDifference(adapted[t] ?? [], logits);
        assert(off <= 1e-4, `token ${t}: ${off}`);
      });
    });
  });
}

/** A model whose weights have the adapter's increment for one preference in them. */
function mergedModel(
  opened: OpenedModel,
  parameters: StoredParameters | undefined,
  preference: number[],
): OpenedModel {
  const { weights } = opened;
  return {
    ...opened,
    fingerprint: `${opened.fingerprint}-merged`,
    weights: {
      ...weights,
      async read(name) {
        const values = await weights.read(name);
        const module = name.replace(/\.weight$/, "");
        const own = adapter.parameterNames.flatMap((part) =>
          parameters?.get(`${module}.${part}`) ?? []
        );
        if (own.length === 0) return values;
        const [out = 0, width = 0] = weights.shape(name);
        const increment = adapter.merge(own, preference); // (in, out)
        return values.map((value, i) =>
          value + (increment[(i % width) * out + Math.floor(i / width)] ?? 0)
        );
      },
    },
  };
}

Deno.test("adapters of different ranks decode side by side, each on its own", async () => {
  await withDecoder("builtin", {}, async (decoder, config) => {
    const wide = svdLora({ rank: 20, objectives: 3, alpha: 5, init: "gaussian" });
    const parameters = randomParameters(wide, config, { seed: 5, pattern: "o_proj|down_proj" });
    const first = decoder.loadAdapter({ id: "w", adapter: wide, objectives: 3, parameters });
    const second = load(decoder, randomParameters(adapter, config, { seed: 6 }));
    const courses = [
      { adapter: first, preference: [0.2, 0.3, 0.5], prompt: [4, 5], tokens: [6, 7] },
      { adapter: second, preference: [0.5, 0.5], prompt: [4, 5], tokens: [6, 7] },
    ];
    const alone = [];
    for (const course of courses) alone.push((await decodeTogether(decoder, [course]))[0] ?? []);
    const sequences = courses.map((course) => decoder.start(course));
    for (const [i, sequence] of sequences.entries()) {
      await decoder.prefill(sequence, courses[i]?.prompt ?? []);
    }
    for (let t = 0; t < 2; t++) {
      for (const [i, sequence] of sequences.entries()) {
        const logits = await decoder.step([sequence], [courses[i]?.tokens[t] ?? 0]);
        assertSameBits(logits, alone[i]?.[t + 1] ?? new Float32Array(), `adapter ${i}`);
      }
    }
    await assert.rejects(decoder.step(sequences, [1, 2]), RangeError); // not in one step
    sequences.forEach((sequence) => sequence.dispose());
    assert(largestDifference(alone[0]?.at(-1) ?? [], alone[1]?.at(-1) ?? []) > 0.01);
  });
});

// Of logits between −8 and 16, after random tokens, where many are near the largest.
for (const [format, mean, agreement] of [["int8", 0.03, 0.97], ["int4", 0.3, 0.8]] as const) {
  Deno.test(`${format} stays near float32 on the built-in model`, async () => {
    const ids = randomIds(100, { seed: 12, vocabSize: 901 });
    let exact: Float32Array[] = [];
    await withDecoder(
      "builtin",
      {},
      async (decoder) => void (exact = await stepLogits(decoder, ids)),
    );
    await withDecoder("builtin", { format }, async (decoder) => {
      const error = logitError(exact, await stepLogits(decoder, ids));
      assert(error.mean > 0 && error.mean <= mean, `mean ${error.mean}`);
      assert(error.agreement >= agreement, `agreement ${error.agreement}`);
    });
  });
}

for (const format of ["int8", "int4"] as const) {
  smollm2Test(`${format} stays near float32 on SmolLM2, whose file has 4 bits`, async (file) => {
    let exact: Float32Array[] = [];
    await withDecoder(file, { cacheFolder: smollm2Cache }, async (decoder) => {
      exact = await stepLogits(decoder, smollm2.ids);
    });
    await withDecoder(file, { format, cacheFolder: smollm2Cache }, async (decoder) => {
      const error = logitError(exact, await stepLogits(decoder, smollm2.ids));
      // 0.2 of logits between −10 and 30; plain rounding to 4 bits is off by 1.7, divergence 0.28
      assert(error.mean <= 0.35 && error.divergence <= 0.02, JSON.stringify(error));
    });
  });
}

Deno.test("live counts sequences and what is reserved for them, and memory is given back", async () => {
  await withDecoder("builtin", {}, async (decoder) => {
    const sequences = Array.from({ length: 5 }, () => {
      return decoder.start({ adapter: null, preference: [] });
    });
    for (const sequence of sequences) await decoder.prefill(sequence, [1, 2, 3]);
    assert.equal(decoder.live.sequences, 5);
    const used = 15 * decoder.bytesPerToken;
    assert(decoder.live.bytes >= used && decoder.live.bytes <= 8 * 128 * decoder.bytesPerToken);
    const before = decoder.live.bytes;
    sequences.slice(1).forEach((sequence) => sequence.dispose());
    sequences[1]?.dispose(); // a second time
    assert.equal(decoder.live.sequences, 1);
    await decoder.step(sequences.slice(0, 1), [4]);
    assert(decoder.live.bytes < before / 2, `${decoder.live.bytes} of ${before}`);
    sequences[0]?.dispose();
    assert.deepEqual(decoder.live, { sequences: 0, bytes: 0 });
  });
});

Deno.test("a hundred rounds of sequences and adapters leave nothing behind", async () => {
  await withDecoder("llama_tied", {}, async (decoder, config) => {
    for (let round = 0; round < 100; round++) {
      const parameters = randomParameters(adapter, config, { seed: round });
      const decodeAdapter = load(decoder, parameters, { id: `${round}` });
      const start = { adapter: decodeAdapter, preference: [0.5, 0.5] };
      const sequence = decoder.start(start);
      await decoder.prefill(sequence, [1, 2, 3]);
      const copy = decoder.start({ ...start, prefix: sequence.snapshot(2) });
      await decoder.step([copy, sequence], [4, 5]);
      [sequence, copy].forEach((one) => one.dispose());
      assert.deepEqual(decoder.live, { sequences: 0, bytes: 0 });
    }
  });
});

Deno.test("a sequence disposed while it is computed leaves the others alone", async () => {
  await withDecoder("builtin", {}, async (decoder) => {
    const course = { adapter: null, preference: [], prompt: [4, 5], tokens: [6] };
    const [alone] = await decodeTogether(decoder, [course]);
    const [kept, gone] = [0, 1].map(() => decoder.start(course));
    assert(kept && gone);
    await decoder.prefill(kept, course.prompt);
    await decoder.prefill(gone, [8]);
    const pending = decoder.step([gone, kept], [9, 6]);
    gone.dispose();
    const other = decoder.start(course); // takes the free slot
    const logits = await pending;
    assert.equal(other.length, 0);
    assertSameBits(
      logits.subarray(decoder.vocabSize),
      alone?.[1] ?? new Float32Array(),
      "the row that stayed",
    );
    assertSameBits(await decoder.prefill(other, course.prompt), alone?.[0] ?? logits, "the new");
    [kept, other].forEach((sequence) => sequence.dispose());
  });
});

Deno.test("one call at a time, none after dispose()", async () => {
  await withDecoder("llama_tied", {}, async (decoder) => {
    const sequence = decoder.start({ adapter: null, preference: [] });
    const pending = decoder.prefill(sequence, [1, 2]);
    await assert.rejects(decoder.prefill(sequence, [3]), TypeError);
    await pending;
    assert.equal(sequence.length, 2);
    sequence.dispose();
    await decoder.dispose();
    const late = decoder.start({ adapter: null, preference: [] });
    await assert.rejects(decoder.prefill(late, [1]), /got a disposed one/);
    late.dispose();
  });
});

Deno.test("what does not fit is refused by name", async () => {
  await withDecoder("llama_tied", {}, async (decoder, config) => {
    const parameters = randomParameters(adapter, config, { seed: 1 });
    const decodeAdapter = load(decoder, parameters);
    const V = decoder.vocabSize;
    assert.throws(() => decoder.start({ adapter: decodeAdapter, preference: [1] }), RangeError);
    const sequence = decoder.start({ adapter: decodeAdapter, preference: [1, 0] });
    await assert.rejects(decoder.prefill(sequence, []), RangeError);
    for (const id of [-1, V, 1.5, NaN]) {
      await assert.rejects(decoder.prefill(sequence, [id]), /expected ids from 0 to 63/);
    }
    await assert.rejects(decoder.step([sequence, sequence], [1, 2]), RangeError);
    await assert.rejects(decoder.step([sequence], [1, 2]), RangeError);
    await assert.rejects(decoder.step([], []), RangeError);
    const full = Array.from({ length: config.maxPositions }, (_, i) => i % V);
    await assert.rejects(decoder.prefill(sequence, [...full, 1]), /at most 64 tokens, got 65/);
    await decoder.prefill(sequence, full);
    await assert.rejects(decoder.step([sequence], [1]), /at most 64 tokens, got 65/);
    for (const length of [-1, 65, 0.5]) assert.throws(() => sequence.snapshot(length), RangeError);
    const prefix = sequence.snapshot(3);
    assert.throws(() => decoder.start({ adapter: null, preference: [], prefix }), RangeError);
    sequence.dispose();
    await assert.rejects(decoder.prefill(sequence, [1]), RangeError);
    assert.throws(() => sequence.snapshot(), RangeError);
  });
});

Deno.test("loadAdapter() refuses parameters that do not fit the model", async () => {
  await withDecoder("llama_tied", {}, (decoder, config) => {
    const parameters = randomParameters(adapter, config, { seed: 1 });
    const missing = new Map(parameters);
    missing.delete("model.layers.1.mlp.up_proj.U");
    assert.throws(() => load(decoder, missing), /expected model.layers.1.mlp.up_proj.U, got none/);
    const more = new Map(parameters).set("model.layers.2.mlp.up_proj.U", {
      shape: [1],
      values: new Float32Array(1),
    });
    assert.throws(() => load(decoder, more), InputError);
    assert.throws(() => load(decoder, new Map()), InputError);
    const kind = svdLora({ rank: 4, objectives, alpha: 5, init: "gaussian" });
    assert.throws(() => load(decoder, parameters, { kind }), /expected factors of rank 6/);
    return Promise.resolve();
  });
});
