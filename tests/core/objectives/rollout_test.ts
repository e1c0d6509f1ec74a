import assert from "node:assert/strict";
import {
  adaptedMaps,
  disposeParameters,
  loadParameters,
} from "../../../core/adapters/parameters.ts";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import type { DecodeAdapter, Decoder } from "../../../core/generate/decoder.ts";
import { responseLimit, rollout, type RolloutRequest } from "../../../core/objectives/rollout.ts";
import { createPolicy } from "../../../core/policy.ts";
import { Random } from "../../../core/random.ts";
import { packSequences } from "../../../core/text/pack.ts";
import { eachEngine } from "../../engines.ts";
import { assertNear } from "../../near.ts";
import {
  greedy,
  modelPath,
  randomIds,
  randomParameters,
  withDecoder,
} from "../generate/decoders.ts";
import { certain, SmallDecoder } from "../generate/small_decoder.ts";
import { holdModel } from "../models/golden_models.ts";

const END = 0;
const sampled = { temperature: 1, topP: 1, maxNewTokens: 12 };

/** A request of `count` prompts of different lengths, each under its own λ. */
function requestOf(
  decoder: Decoder,
  { count = 9, ...changes }: { count?: number } & Partial<RolloutRequest> = {},
): RolloutRequest {
  const objectives = 2;
  const adapter: DecodeAdapter = { id: "a", objectives, bytes: 0 };
  const rows = Array.from({ length: count }, (_, n) => n);
  const ids = (n: number) => randomIds(1 + n % 5, { seed: n, vocabSize: decoder.vocabSize });
  return {
    adapter,
    prompts: rows.map((n) => Int32Array.from(ids(n))),
    preferences: rows.map((n) => [n / count, 1 - n / count]),
    sampling: sampled,
    random: new Random(5),
    endTokenIds: new Set([END]),
    ...changes,
  };
}

Deno.test("rollout(): a row's response does not depend on the other rows or on how many run", async () => {
  const decoder = new SmallDecoder();
  const request = requestOf(decoder);
  const together = await rollout(decoder, request);
  assert.deepEqual(await rollout(decoder, { ...request, maxRows: 2 }), together);
  const half = requestOf(decoder, {
    prompts: request.prompts.slice(0, 4),
    preferences: request.preferences.slice(0, 4),
  });
  assert.deepEqual(await rollout(decoder, half), together.slice(0, 4));
  assert.equal(new Set(together.map(({ response }) => response.join())).size, together.length);
  assert.equal(decoder.alive.size, 0);
});

Deno.test("rollout(): all rows share a step, and who ends makes room for the next prompt", async () => {
  const decoder = new SmallDecoder({
    // a prompt's first token says how many tokens its response has
    logitsOf: ({ tokens: [first = 0, ...rest] }) => certain(rest.length >= first ? END : 7),
  });
  const prompts = [3, 1, 5, 2].map((token) => Int32Array.of(token));
  const preferences = prompts.map(() => [0.5, 0.5]);
  const found = await rollout(decoder, requestOf(decoder, { prompts, preferences, maxRows: 2 }));
  assert.deepEqual(found, [
    { response: Int32Array.of(7, 7, 7, END), ended: true },
    { response: Int32Array.of(7, END), ended: true },
    { response: Int32Array.of(7, 7, 7, 7, 7, END), ended: true },
    { response: Int32Array.of(7, 7, END), ended: true },
  ]);
  const widths = decoder.calls.filter(({ kind }) => kind === "step").map(({ rows }) => rows.length);
  assert.deepEqual(widths, [2, 2, 2, 2, 2, 1]);
});

Deno.test("rollout(): a response is cut after maxNewTokens, and may end with its last token", async () => {
  const decoder = new SmallDecoder({
    maxPositions: 5,
    logitsOf: ({ tokens }) => certain(tokens.length === 5 ? END : 9),
  });
  const sampling = { ...sampled, maxNewTokens: 3 };
  const [first, second] = await rollout(
    decoder,
    requestOf(decoder, {
      prompts: [Int32Array.of(1), Int32Array.of(1, 2, 3)],
      preferences: [[1, 0], [0, 1]],
      sampling,
    }),
  );
  assert.deepEqual(first, { response: Int32Array.of(9, 9, 9), ended: false });
  assert.deepEqual(second, { response: Int32Array.of(9, 9, END), ended: true });
});

Deno.test("rollout(): rows have limits of their own", async () => {
  const decoder = new SmallDecoder({ logitsOf: () => certain(9) });
  const request = requestOf(decoder, { count: 3, limits: [2, 5, 1], logProbRows: 1 });
  const found = await rollout(decoder, request);
  assert.deepEqual(found.map(({ response }) => response.length), [2, 5, 1]);
  assert.deepEqual(found.map(({ logProbs }) => logProbs?.length), [2, undefined, undefined]);
  const lengths = { maxNewTokens: 8, maxLength: 20 };
  assert.deepEqual([4, 12, 15, 20].map((n) => responseLimit(n, lengths)), [8, 8, 5, 0]);
});

Deno.test("rollout(): the same stream twice gives the same responses; the stream is not advanced", async () => {
  const decoder = new SmallDecoder();
  const request = requestOf(decoder);
  const before = request.random.state();
  const first = await rollout(decoder, request);
  assert.deepEqual(request.random.state(), before);
  assert.deepEqual(await rollout(decoder, request), first);
  assert.notDeepEqual(await rollout(decoder, { ...request, random: new Random(6) }), first);
});

Deno.test("rollout(): an aborted signal and an error leave no sequence behind", async () => {
  const controller = new AbortController();
  let calls = 0;
  const decoder = new SmallDecoder({
    onCall: () => {
      if (++calls === 12) controller.abort(new Error("enough"));
    },
  });
  const request = requestOf(decoder, { signal: controller.signal });
  await assert.rejects(rollout(decoder, request), { message: "enough" });
  assert.equal(decoder.alive.size, 0);
  const broken = new SmallDecoder({ logitsOf: () => new Float32Array(40).fill(NaN) });
  await assert.rejects(rollout(broken, requestOf(broken)), { name: "DivergedError" });
  assert.equal(broken.alive.size, 0);
});

Deno.test("rollout() refuses what cannot be generated", async () => {
  const decoder = new SmallDecoder({ maxPositions: 20 });
  const request = requestOf(decoder, { count: 2 });
  const long = [Int32Array.of(1), new Int32Array(10)];
  await assert.rejects(rollout(decoder, { ...request, prompts: long }), {
    name: "InputError",
    message: "Cannot generate: expected a prompt of 1 to 9 tokens, which leaves the model's " +
      "20 positions room for 12 new ones, got 10 in prompt 1",
  });
  await assert.rejects(
    rollout(decoder, { ...request, prompts: [new Int32Array(), long[0] ?? new Int32Array()] }),
    {
      name: "InputError",
      message: /got 0 in prompt 0$/,
    },
  );
  await assert.rejects(rollout(decoder, { ...request, preferences: [] }), {
    name: "TypeError",
    message:
      "Cannot generate: expected a preference and a limit for each of 2 prompts, got 0 and 2",
  });
  const sampling = { ...sampled, maxNewTokens: 0 };
  await assert.rejects(rollout(decoder, { ...request, sampling }), {
    name: "RangeError",
    message: "Cannot generate: expected room for at least 1 token after prompt 0, got 0",
  });
  assert.deepEqual(await rollout(decoder, { ...request, prompts: [], preferences: [] }), []);
});

const objectives = 2;
const adapter = svdLora({ rank: 3, objectives, alpha: 5, init: "orthonormal" });

eachEngine(
  "rollout(): the decoder's log-probabilities are those of the training engine",
  async (engine) => {
    const held = await holdModel(engine, modelPath("builtin"));
    const { config } = held;
    const parameters = randomParameters(adapter, config, { seed: 1 });
    const loaded = loadParameters(adapter, adaptedMaps(config, "layers."), parameters);
    const policy = createPolicy(engine, held, { adapter, objectives, parameters: loaded });
    await withDecoder("builtin", {}, async (decoder) => {
      const request = requestOf(decoder, {
        count: 7,
        adapter: decoder.loadAdapter({ id: "a", adapter, objectives, parameters }),
        endTokenIds: new Set(config.eosTokenIds),
        logProbRows: 7,
      });
      const rollouts = await rollout(decoder, request);
      const sequences = rollouts.map(({ response }, n) => ({
        prompt: request.prompts[n] ?? new Int32Array(),
        response,
      }));
      for (const pack of packSequences(sequences, { rowLength: 32, maxTokens: 4096 })) {
        const values = await policy.logProbs(pack, request.preferences);
        const next = sequences.map(() => 0);
        const expected = Float32Array.from(pack.owners, (s) => {
          const t = next[s] ?? 0;
          next[s] = t + 1;
          return rollouts[s]?.logProbs?.[t] ?? NaN;
        });
        assertNear(values, expected, { tolerance: 2e-4, what: "log-probabilities" });
      }
      const greedily = await rollout(decoder, {
        ...request,
        sampling: { ...sampled, temperature: 0 },
        endTokenIds: new Set(),
      });
      for (const [n, { response }] of greedily.entries()) {
        const alone = await greedy(decoder, {
          adapter: request.adapter,
          preference: request.preferences[n] ?? [],
          prompt: [...request.prompts[n] ?? []],
          tokens: sampled.maxNewTokens,
        });
        assert.deepEqual([...response], alone);
      }
    });
    disposeParameters(loaded);
    held.dispose();
  },
);
