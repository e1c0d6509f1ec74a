// The batcher on the real decoder, with the built-in model: what only real sums, real memory and
// real time can show.
import assert from "node:assert/strict";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import type { Decoder, WeightFormat } from "../../../core/generate/decoder.ts";
import type { GenerateRequest, TextModel } from "../../../core/generate/request.ts";
import type { DecoderConfig } from "../../../core/models/config.ts";
import { Random } from "../../../core/random.ts";
import { ask, askAlone, requestOf, roomyBatcher, until } from "./answers.ts";
import { needsModel, smolLm2Path } from "../text/smollm2.ts";
import { randomParameters, withDecoder } from "./decoders.ts";

const objectives = 2;
const adapter = svdLora({ rank: 4, objectives, alpha: 12, init: "orthonormal" });

/** The decoder with the ids themselves for text; no token ends an answer. */
function modelOf(decoder: Decoder): TextModel {
  return {
    id: "builtin",
    decoder,
    tokenizer: {
      decode: (ids) => Array.from(ids, (id) => `${id} `).join(""),
      endTokenIds: new Set(),
      specialTokenIds: new Set(),
    },
  };
}

function loadRandomAdapter(decoder: Decoder, config: DecoderConfig, seed: number) {
  const parameters = randomParameters(adapter, config, { seed, size: 0.5 });
  return decoder.loadAdapter({ id: `adapter ${seed}`, adapter, objectives, parameters });
}

/** Requests of all kinds; every third without adapter, the others at λ of their own. */
function manyRequests(
  model: TextModel,
  config: DecoderConfig,
  { count, random }: { count: number; random: Random },
): GenerateRequest[] {
  const loaded = [1, 2].map((seed) => loadRandomAdapter(model.decoder, config, seed));
  return Array.from({ length: count }, (_, i) => {
    const chosen = i % 3 === 2 ? null : loaded[i % 2] ?? null;
    const weight = random.uniform();
    const length = 1 + random.integer(60);
    return requestOf(model, {
      adapter: chosen,
      preference: chosen ? [weight, 1 - weight] : [],
      prompt: Array.from({ length }, () => random.integer(config.vocabSize)),
      maxTokens: 20 + random.integer(40),
      temperature: 1,
      topP: i % 4 === 0 ? 0.9 : 1,
      seed: i,
    });
  });
}

for (const format of ["float32", "int8", "int4"] satisfies WeightFormat[]) {
  Deno.test(`an answer is the same bit by bit alone and among others: ${format}`, async () => {
    await withDecoder("builtin", { format }, async (decoder, config) => {
      const model = modelOf(decoder);
      const random = new Random(21);
      const requests = manyRequests(model, config, { count: 33, random });
      const alone = [];
      for (const request of requests.slice(0, 11)) {
        alone.push(await askAlone(request));
      }
      assert.ok(new Set(alone.map(({ text }) => text)).size === 11);
      const batcher = roomyBatcher({ maxRows: 11 });
      let most = 0;
      const together = requests.map(async (request) => {
        const joins = random.integer(120);
        await until(() => batcher.state().steps >= joins || joins < 20, "it joins");
        const answer = ask(batcher, request);
        most = Math.max(most, batcher.state().rows);
        return await answer;
      });
      assert.deepEqual((await Promise.all(together)).slice(0, 11), alone);
      assert.equal(most, 11);
      await batcher.close();
    });
  });
}

for (const format of ["float32", "int8"] satisfies WeightFormat[]) {
  Deno.test({
    name: `SmolLM2 answers the same bit by bit alone and among others: ${format}${needsModel}`,
    ignore: !smolLm2Path,
    async fn() {
      await withDecoder(smolLm2Path ?? "", { format }, async (decoder, config) => {
        const model = modelOf(decoder);
        const loaded = loadRandomAdapter(decoder, config, 1);
        const random = new Random(9);
        const requests = Array.from({ length: 11 }, (_, i) =>
          requestOf(model, {
            adapter: loaded,
            preference: [i / 10, 1 - i / 10],
            prompt: Array.from({ length: 5 + 3 * i }, () => random.integer(config.vocabSize)),
            maxTokens: 8 + i,
            seed: i,
          }));
        const alone = [];
        for (const request of requests.slice(0, 4)) alone.push(await askAlone(request));
        const batcher = roomyBatcher();
        const together = await Promise.all(requests.map((request) => ask(batcher, request)));
        await batcher.close();
        assert.deepEqual(together.slice(0, 4), alone);
      });
    },
  });
}

Deno.test("a prompt out of the prefix cache is answered bit by bit as when it was computed", async () => {
  await withDecoder("builtin", { format: "int8" }, async (decoder, config) => {
    const model = modelOf(decoder);
    const batcher = roomyBatcher({ prefixCacheBytes: 2 ** 24 });
    for (const request of manyRequests(model, config, { count: 6, random: new Random(5) })) {
      const first = await ask(batcher, request);
      const second = await ask(batcher, request);
      assert.equal(second.text, first.text);
      assert.deepEqual([first.end.cachedTokens, second.end.cachedTokens], [
        0,
        request.prompt.length,
      ]);
    }
    await batcher.close();
  });
});

Deno.test("200 requests cancelled at random leave nothing behind and stop within a token", async () => {
  await withDecoder("builtin", { format: "int8" }, async (decoder, config) => {
    const model = modelOf(decoder);
    const random = new Random(8);
    const prefixCacheBytes = 2 ** 22;
    const batcher = roomyBatcher({ maxRows: 16, maxWaiting: 200, prefixCacheBytes });
    const requests = manyRequests(model, config, { count: 200, random });
    const reasons: Record<string, number> = {};
    let most = 0; // of what the decoder took against what was reserved
    const watching = until(() => {
      const { reservedBytes, rows } = batcher.state();
      if (rows > 0) most = Math.max(most, decoder.live.bytes / reservedBytes);
      return rows === 0 && batcher.state().ended.cancelled > 0;
    }, "all have left");
    await Promise.all(requests.map(async (request, i) => {
      const controller = new AbortController();
      const from = batcher.state().steps + random.integer(40);
      const answer = ask(batcher, { ...request, maxTokens: 60 }, controller.signal);
      if (i % 8 > 0) {
        void until(() => batcher.state().steps >= from, "its time to leave").then(() =>
          controller.abort()
        );
      }
      const { end } = await answer;
      reasons[end.reason] = (reasons[end.reason] ?? 0) + 1;
    }));
    assert.ok((reasons.cancelled ?? 0) > 100 && (reasons.length ?? 0) >= 25, `${reasons}`);
    const { tokens } = batcher.state();
    await batcher.close();
    await watching;
    assert.ok(most > 0.2 && most <= 1, `took ${most} of what was reserved`);
    assert.equal(batcher.state().tokens, tokens);
    const { waiting, reservedBytes, prefixBytes } = batcher.state();
    assert.deepEqual({ waiting, reservedBytes }, { waiting: 0, reservedBytes: 0 });
    assert.ok(prefixBytes <= prefixCacheBytes);
    assert.deepEqual(decoder.live, { sequences: 0, bytes: 0 });
  });
});

Deno.test("a cancelled request draws at most one more token", async () => {
  await withDecoder("builtin", { format: "int8" }, async (decoder) => {
    const model = modelOf(decoder);
    for (let round = 0; round < 20; round++) {
      const batcher = roomyBatcher();
      const controller = new AbortController();
      const answer = ask(batcher, requestOf(model, { maxTokens: 120 }), controller.signal);
      await until(() => batcher.state().tokens > round, "it runs");
      const drawn = batcher.state().tokens;
      controller.abort();
      const { end } = await answer;
      assert.ok(end.completionTokens <= drawn + 1);
      await batcher.close();
      assert.ok(batcher.state().tokens <= drawn + 1);
    }
  });
});
