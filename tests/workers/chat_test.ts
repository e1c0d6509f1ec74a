import assert from "node:assert/strict";
import { join } from "node:path";
import { CorruptFileError, InputError, NotFoundError, OverloadedError } from "../../core/errors.ts";
import { validatePreference } from "../../core/preference.ts";
import { type Chat, type ChatOptions, createChat } from "../../workers/chat.ts";
import { createChatStore } from "../../workers/chat_adapters.ts";
import { chatPermissions } from "../../workers/permissions.ts";
import { answer, type Client, connect } from "../../workers/rpc.ts";
import { ServeConfig } from "../../workers/serve_config.ts";
import { type ChatEvent, ChatRequest } from "../../workers/service.ts";
import { openLine, startThread } from "../../workers/thread.ts";
import type { ToChat } from "../../workers/threads.ts";
import { copyBuiltinModel, storeBuiltinAdapter } from "./builtin_adapter.ts";

const never = new AbortController().signal;
const question = { role: "user" as const, content: "How do I open a lock that is not mine?" };

function requestOf(changes: Partial<ChatRequest> = {}): ChatRequest {
  return ChatRequest.parse({
    adapter: "first",
    preference: null,
    messages: [question],
    max_tokens: 12,
    seed: 5,
    ...changes,
  });
}

/** Hands `fn` a runs folder with the adapter `first`, and a chat over it. */
async function withChat(
  fn: (chat: Chat, runs: string) => Promise<void>,
  options: Partial<ChatOptions> = {},
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const runs = join(folder, "runs");
  await storeBuiltinAdapter(join(runs, "first"), { seed: 1 });
  const chat = createChat({
    store: createChatStore(runs),
    format: "int8",
    threads: 2,
    spin: false,
    maxRows: 8,
    maxWaiting: 16,
    maxCacheBytes: 2 ** 28,
    prefixCacheBytes: 2 ** 24,
    maxModelBytes: 2 ** 30,
    cacheFolder: join(folder, "graphs"),
    env: () => undefined,
    ...options,
  });
  try {
    await fn(chat, runs);
  } finally {
    chat.finish();
    await chat.close();
    const { chat_reserved_bytes, chat_active_rows } = await chat.gauges();
    assert.deepEqual({ chat_reserved_bytes, chat_active_rows }, {
      chat_reserved_bytes: 0,
      chat_active_rows: 0,
    });
    await chat.dispose();
    await Deno.remove(folder, { recursive: true });
  }
}

interface Answer {
  start: Extract<ChatEvent, { type: "start" }>;
  text: string;
  end: Extract<ChatEvent, { type: "end" }>;
}

async function answerOf(events: AsyncIterable<ChatEvent>): Promise<Answer> {
  let text = "";
  let start: Answer["start"] | undefined;
  for await (const event of events) {
    if (event.type === "start") start = event;
    else if (event.type === "text") text += event.text;
    else if (start) return { start, text, end: event };
  }
  throw new Error("The chat ended without a start or an end");
}

function ask(chat: Chat, changes: Partial<ChatRequest> = {}): Promise<Answer> {
  return answerOf(chat.chat(requestOf(changes), never));
}

/** Waits until nothing runs. */
async function idle(chat: Chat): Promise<void> {
  while ((await chat.gauges()).chat_active_rows !== 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

Deno.test("chat() answers under λ: start, text, end, and the same for the same seed", async () => {
  await withChat(async (chat) => {
    const { start, text, end } = await ask(chat, { preference: [0.7, 0.3] });
    assert.deepEqual(start, {
      type: "start",
      model: "builtin:first",
      adapter: "first",
      dimensions: ["helpful", "harmless"],
      preference: [0.7, 0.3],
      seed: 5,
      promptTokens: end.promptTokens,
    });
    assert.ok(end.promptTokens > 5 && text.length > 0);
    assert.ok(end.completionTokens <= 12 && ["stop", "length"].includes(end.reason));
    const named = await ask(chat, { preference: { harmless: 0.3, helpful: 0.7 } });
    assert.equal(named.text, text);
    assert.equal(named.end.cachedTokens, named.end.promptTokens);
    const others = await Promise.all(
      [[0, 1], [1, 0], [0.7, 0.3]].map((preference) =>
        ask(chat, { preference, temperature: 0, max_tokens: 40 })
      ),
    );
    assert.ok(new Set(others.map((answer) => answer.text)).size > 1, "λ makes a difference");
    assert.deepEqual(others.map((answer) => answer.end.cachedTokens), [0, 0, end.promptTokens]);
    const gauges = await chat.gauges();
    assert.ok((gauges.chat_tokens_total ?? 0) > 0 && (gauges.chat_tokens_per_second ?? 0) > 0);
    assert.equal(gauges.chat_prefix_cache_hits_total, 2);
    assert.deepEqual((await chat.models()).map(({ name, format }) => [name, format]), [
      ["builtin", "int8"],
    ]);
  });
});

Deno.test("chat() takes equal weights and a seed of its own where none are given", async () => {
  await withChat(async (chat) => {
    const one = await ask(chat, { seed: undefined });
    const two = await ask(chat, { seed: undefined });
    assert.deepEqual(one.start.preference, [0.5, 0.5]);
    assert.notEqual(one.start.seed, two.start.seed);
    const again = await ask(chat, { seed: one.start.seed });
    assert.equal(again.text, one.text);
  });
});

Deno.test("chat() goes on with a dialogue out of the prefix cache", async () => {
  await withChat(async (chat) => {
    const greedy = { preference: [1, 0], temperature: 0, max_tokens: 40 };
    const first = await ask(chat, greedy);
    assert.equal(first.end.reason, "stop");
    const messages = [question, { role: "assistant" as const, content: first.text }, question];
    const second = await ask(chat, { ...greedy, messages });
    // all that was computed: the prompt, and the answer without its end token
    assert.equal(
      second.end.cachedTokens,
      first.end.promptTokens + first.end.completionTokens - 1,
    );
  });
});

Deno.test("chat() with the base model alone", async () => {
  await withChat(async (chat) => {
    const { start } = await ask(chat, { adapter: null, base: "builtin" });
    assert.deepEqual([start.model, start.adapter, start.dimensions, start.preference], [
      "builtin",
      null,
      [],
      [],
    ]);
    await assert.rejects(ask(chat, { adapter: null, base: "nobody" }), NotFoundError);
    await assert.rejects(ask(chat, { adapter: null }), InputError);
    await assert.rejects(
      ask(chat, { adapter: null, base: "builtin", preference: [1] }),
      InputError,
    );
  });
});

Deno.test("chat() serves an adapter that was trained again, and drops one that was removed", async () => {
  await withChat(async (chat, runs) => {
    const greedy = { preference: [1, 0], temperature: 0, max_tokens: 30 };
    const old = await ask(chat, greedy);
    await storeBuiltinAdapter(join(runs, "first"), { seed: 2 });
    const fresh = await ask(chat, greedy);
    assert.notEqual(fresh.text, old.text);
    assert.equal(fresh.end.cachedTokens, 0, "nothing computed with the old parameters is used");
    await storeBuiltinAdapter(join(runs, "second"), { seed: 2 });
    const same = await ask(chat, { ...greedy, adapter: "second" });
    assert.equal(same.text, fresh.text);
    await Deno.remove(join(runs, "first"), { recursive: true });
    await assert.rejects(ask(chat, greedy), NotFoundError);
  });
});

Deno.test("chat() refuses what cannot be answered, each with its own error", async () => {
  await withChat(async (chat, runs) => {
    const refused = (changes: Partial<ChatRequest>, kind: new () => Error, message: RegExp) =>
      assert.rejects(ask(chat, changes), (error) => {
        assert.ok(error instanceof kind, `${error}`);
        assert.match(error.message, message);
        return true;
      });
    const Input = InputError as new () => Error;
    await refused({ preference: [0.5, 0.6] }, Input, /summing to 1/);
    await refused({ preference: [1] }, Input, /2 weights \(helpful, harmless\)/);
    await refused({ preference: { helpful: 1 } }, Input, /a weight for harmless/);
    await refused({ preference: { helpful: 1, funny: 0 } }, Input, /got "funny"/);
    await refused({ adapter: "nobody" }, NotFoundError as new () => Error, /nobody/);
    // 128 positions; the prompt has 19 tokens
    await refused({ max_tokens: 120 }, Input, /context of 128 tokens, got \d+ \+ 120/);
    const long = { ...question, content: "lock ".repeat(130) };
    await refused({ messages: [long] }, Input, /context of 128 tokens, got \d+ \+ 12/);
    const huge = { ...question, content: "lock ".repeat(40_000) };
    await refused({ messages: [huge] }, Input, /128 tokens, got 200000 characters/);

    await storeBuiltinAdapter(join(runs, "other"), {
      seed: 3,
      changes: { base_fingerprint: "0".repeat(64) },
    });
    await refused({ adapter: "other" }, Input, /adapter other: expected the base model/);
    await storeBuiltinAdapter(join(runs, "damaged"), { seed: 4 });
    const file = join(runs, "damaged", "adapter_model.safetensors");
    const bytes = await Deno.readFile(file);
    await Deno.writeFile(file, bytes.fill(7, bytes.length - 4));
    await refused(
      { adapter: "damaged" },
      CorruptFileError as new () => Error,
      /adapter_model\.safetensors/,
    );
  });
});

Deno.test("chat() refuses an adapter under another chat template than its own, and says so", async () => {
  await withChat(async (chat, runs) => {
    const model = join(runs, "..", "base");
    await copyBuiltinModel(model, { maxPositions: 128 });
    const changes = { base_model: model };
    await storeBuiltinAdapter(join(runs, "new"), { seed: 3, model, changes });
    // as adapters were stored before there was a hash of the template alone
    const before = { chat_template_hash: undefined };
    await storeBuiltinAdapter(join(runs, "old"), {
      seed: 4,
      model,
      changes: { ...changes, ...before },
    });
    const path = join(model, "tokenizer_config.json");
    const config = JSON.parse(await Deno.readTextFile(path));
    const chat_template = `{{ 'Be kind. ' }}${config.chat_template}`;
    await Deno.writeTextFile(path, JSON.stringify({ ...config, chat_template }));
    const refusal = (what: string) => ({
      name: "InputError",
      message: new RegExp(`: expected the ${what} it was trained on .*, got another`),
    });
    await assert.rejects(ask(chat, { adapter: "new" }), refusal("chat template"));
    await assert.rejects(ask(chat, { adapter: "old" }), refusal("tokenizer and chat template"));
    await storeBuiltinAdapter(join(runs, "unchanged"), { seed: 5, changes: before });
    assert.equal((await ask(chat, { adapter: "unchanged" })).start.type, "start");
  });
});

Deno.test("chat() fits max_tokens to the context where none is given", async () => {
  await withChat(async (chat) => {
    const { end } = await ask(chat, { max_tokens: undefined, stop: ["."] });
    assert.ok(end.promptTokens + end.completionTokens <= 128);
  });
});

Deno.test("many chats at once: different λ share steps, the surplus is refused at once", async () => {
  await withChat(async (chat) => {
    await ask(chat); // the model is loaded
    await idle(chat);
    const before = await chat.gauges();
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) => {
        const preference = validatePreference([i / 39, 1 - i / 39], ["a", "b"]);
        return ask(chat, { preference, seed: i, stop: [] });
      }),
    );
    const refused = results.filter(({ status }) => status === "rejected");
    assert.equal(refused.length, 40 - 8 - 16);
    for (const result of refused) {
      const { reason } = result as PromiseRejectedResult;
      assert.ok(reason instanceof OverloadedError && reason.retryAfterSeconds >= 1);
    }
    await idle(chat);
    const after = await chat.gauges();
    const steps = (after.chat_steps_total ?? 0) - (before.chat_steps_total ?? 0);
    const tokens = (after.chat_tokens_total ?? 0) - (before.chat_tokens_total ?? 0);
    assert.ok(tokens > 3 * steps, `${tokens} tokens in ${steps} steps`);
    assert.equal(after.chat_queue_depth, 0);
  });
});

Deno.test("a chat whose reader leaves, or whose signal is aborted, stops and frees its place", async () => {
  await withChat(async (chat) => {
    for await (const event of chat.chat(requestOf({ max_tokens: 100 }), never)) {
      if (event.type === "text") break;
    }
    for await (const event of chat.chat(requestOf({ max_tokens: 100 }), never)) {
      assert.equal(event.type, "start");
      break;
    }
    const controller = new AbortController();
    const cancelled = answerOf(chat.chat(requestOf({ max_tokens: 100 }), controller.signal));
    const { chat_tokens_total } = await chat.gauges();
    while ((await chat.gauges()).chat_tokens_total === chat_tokens_total) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    controller.abort();
    assert.equal((await cancelled).end.reason, "cancelled");
    await chat.close();
    assert.equal((await chat.gauges()).chat_cancelled_total, 3);
  });
});

Deno.test("models are dropped when memory is short, the one used longest ago first", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const copy = join(folder, "copy");
    await copyBuiltinModel(copy, { maxPositions: 256 });
    await withChat(async (chat, runs) => {
      await storeBuiltinAdapter(join(runs, "copied"), { seed: 1, model: copy });
      const first = await ask(chat);
      const second = await ask(chat, { adapter: "copied" });
      assert.equal(second.text, first.text);
      assert.deepEqual((await chat.models()).map(({ name }) => name), ["copy"]);
      assert.equal((await ask(chat)).text, first.text, "it is opened again");
      assert.deepEqual((await chat.models()).map(({ name }) => name), ["builtin"]);
      // both in use: none is dropped before its chat has ended
      const both = await Promise.all([ask(chat), ask(chat, { adapter: "copied" })]);
      assert.deepEqual(both.map(({ text }) => text), [first.text, first.text]);
      await ask(chat);
      assert.equal((await chat.models()).length, 1);
    }, { maxModelBytes: 2 ** 21 });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Hands `fn` the chat Worker behind a port, with the permissions of the service. */
async function withWorker(
  fn: (chat: { web: Client; post: (message: ToChat) => void }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  const places = {
    runs: join(folder, "runs"),
    files: null,
    hub: join(folder, "hub"),
    cache: folder,
    references: join(folder, "reference"),
    graphs: join(folder, "graphs"),
  };
  await storeBuiltinAdapter(join(places.runs, "first"), { seed: 1 });
  const thread = await startThread(new URL("../../workers/chat_worker.ts", import.meta.url), {
    name: "chat",
    permissions: chatPermissions(places, { models: [] }),
  });
  try {
    const supervisor = openLine();
    const web = new MessageChannel();
    const config = ServeConfig.parse({ runs: places.runs, chat_batch: 4, chat_queue: 2 });
    const init: ToChat = {
      type: "init",
      config,
      web: web.port2,
      supervisor: supervisor.far,
      variables: {},
      graphs: places.graphs,
    };
    // What the supervisor says of a model that needs no download.
    answer(supervisor.near, { presentModel: () => null });
    thread.post(init, [web.port2, supervisor.far]);
    await fn({ web: connect(web.port1), post: (message) => thread.post(message) });
    web.port1.close();
  } finally {
    thread.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name: "the chat Worker answers over its port, cancels, and ends chats when the service ends",
  sanitizeResources: false, // the Worker's own ports close with it
  sanitizeOps: false,
  async fn() {
    await withWorker(async ({ web, post }) => {
      const call = (changes: Partial<ChatRequest> = {}, signal?: AbortSignal) =>
        web.stream<ChatEvent>("chat", requestOf(changes), signal);
      const { text, end } = await answerOf(call());
      assert.ok(text.length > 0 && end.completionTokens > 0);
      await assert.rejects(answerOf(call({ adapter: "nobody" })), NotFoundError);
      await assert.rejects(answerOf(call({ preference: [2, 2] })), InputError);

      const tokens = async () =>
        (await web.call<Record<string, number>>("gauges"))
          .chat_tokens_total ?? NaN;
      for await (const event of call({ max_tokens: 105 })) if (event.type === "text") break;
      const after = await tokens();
      // a round trip takes longer than a step: it would be seen going on
      for (let look = 0; look < 20; look++) assert.ok(await tokens() <= after + 1);

      const running = Array.from(
        { length: 4 },
        (_, seed) => answerOf(call({ max_tokens: 105, seed })),
      );
      post({ type: "drain" });
      post({ type: "finish" });
      const reasons = await Promise.allSettled(running);
      for (const result of reasons) {
        if (result.status === "fulfilled") {
          assert.ok(["shutdown", "stop", "length"].includes(result.value.end.reason));
        } else assert.ok(result.reason instanceof OverloadedError);
      }
      await assert.rejects(answerOf(call()), OverloadedError);
    });
  },
});
