import assert from "node:assert/strict";
import { findModel, listModelIds } from "../../routes/model_id.ts";
import { appOf, json } from "./app_of.ts";
import { readFrames } from "./frames.ts";
import { memoryChat } from "./memory_service.ts";

const path = "/v1/chat/completions";
const question = { model: "tiny", messages: [{ role: "user", content: "hi" }] };

Deno.test("a completion has OpenAI's shape, and λ from the field or from the model's id", async () => {
  const { app } = appOf();
  const ways = [
    { ...question, preference: [0.7, 0.3] },
    { ...question, preference: { harmless: 0.3, helpful: 0.7 } },
    { ...question, model: "tiny@0.7,0.3" },
    { ...question, model: "world:tiny@0.7,0.3" },
    { ...question, model: "tiny@helpful=0.7,harmless=0.3" },
  ];
  for (const body of ways) {
    const answer = await app.request(path, json(body));
    assert.equal(answer.status, 200);
    const { id, created, ...rest } = await answer.json();
    assert.match(id, /^chatcmpl-/);
    assert.ok(Math.abs(created - Date.now() / 1000) < 60);
    assert.deepEqual(rest, {
      object: "chat.completion",
      model: "world:tiny",
      preference: { helpful: 0.7, harmless: 0.3 },
      choices: [{
        index: 0,
        message: {
          role: "assistant",
          content: 'You said "hi" under [0.7,0.3] with any seed',
          refusal: null,
        },
        logprobs: null,
        finish_reason: "stop",
      }],
      usage: {
        prompt_tokens: 1,
        completion_tokens: 5,
        total_tokens: 6,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    });
  }
});

Deno.test("fields of a request become a ChatRequest; those that describe the caller are ignored", async () => {
  const chat = memoryChat();
  const { app } = appOf({ chat });
  await app.request(
    path,
    json({
      model: "world:tiny",
      messages: [
        { role: "developer", content: "be brief" },
        { role: "user", content: [{ type: "text", text: "How " }, { type: "text", text: "so?" }] },
        { role: "assistant", content: "So.", refusal: null, tool_calls: null },
        { role: "user", content: "Go on", name: "me" },
      ],
      max_completion_tokens: 5,
      temperature: 0.5,
      top_p: 0.9,
      seed: 4,
      stop: "END",
      ...{ user: "u", store: true, metadata: { a: "b" }, tools: null, n: 1 },
      ...{ logprobs: false, response_format: { type: "text" }, frequency_penalty: 0 },
    }),
  );
  assert.deepEqual(chat.asked, [{
    adapter: "tiny",
    preference: null,
    messages: [
      { role: "system", content: "be brief" },
      { role: "user", content: "How so?" },
      { role: "assistant", content: "So." },
      { role: "user", content: "Go on" },
    ],
    max_tokens: 5,
    temperature: 0.5,
    top_p: 0.9,
    seed: 4,
    stop: ["END"],
  }]);
});

Deno.test("what is not supported is refused by name, in OpenAI's shape", async () => {
  const { app } = appOf();
  const unsupported = {
    tools: [{ type: "function", function: { name: "f" } }],
    tool_choice: "required",
    functions: [{}],
    response_format: { type: "json_object" },
    logprobs: true,
    top_logprobs: 3,
    logit_bias: { "50256": -100 },
    frequency_penalty: 0.5,
    modalities: ["audio"],
    audio: {},
    n: 5,
    no_such_field: 1,
  };
  for (const [name, value] of Object.entries(unsupported)) {
    const answer = await app.request(path, json({ ...question, [name]: value }));
    assert.equal(answer.status, 400, name);
    const { error } = await answer.json();
    assert.equal(error.type, "invalid_request_error", name);
    assert.equal(error.param.split(".")[0], name);
    assert.match(error.message, new RegExp(name));
  }
  const image = [{ type: "image_url", image_url: { url: "data:" } }];
  const picture = { ...question, messages: [{ role: "user", content: image }] };
  assert.equal((await app.request(path, json(picture))).status, 400);
  const twice = { ...question, max_tokens: 1, max_completion_tokens: 1 };
  assert.equal((await app.request(path, json(twice))).status, 400);
  const options = { ...question, stream_options: { include_usage: true } };
  assert.equal((await app.request(path, json(options))).status, 400);
  const places = { ...question, model: "tiny@1,0", preference: [1, 0] };
  assert.equal((await app.request(path, json(places))).status, 400);
});

Deno.test("a stream has a chunk per text, then how it ended, the usage where asked for, and [DONE]", async () => {
  const { app } = appOf();
  const body = { ...question, stream: true, stream_options: { include_usage: true } };
  const frames = readFrames(await (await app.request(path, json(body))).text());
  const chunks = frames.slice(0, -1).map(({ data }) => data);
  assert.equal(frames.at(-1)?.data, "[DONE]");
  assert.deepEqual(chunks[0].choices[0].delta, { role: "assistant", content: "" });
  assert.equal(
    chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join(""),
    'You said "hi" under null with any seed',
  );
  assert.equal(chunks.at(-2).choices[0].finish_reason, "stop");
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.equal(chunks.at(-1).usage.completion_tokens, 5);
  assert.ok(chunks.slice(0, -1).every(({ usage }) => usage === null));
  assert.equal(new Set(chunks.map(({ id }) => id)).size, 1);
});

Deno.test("n answers differ by their seed, and all of them come or none", async () => {
  const chat = memoryChat({ queue: 3 });
  const { app } = appOf({ chat });
  const answer = await (await app.request(path, json({ ...question, n: 3, seed: 2 ** 32 - 1 })))
    .json();
  assert.deepEqual(chat.asked.map(({ seed }) => seed), [2 ** 32 - 1, 0, 1]);
  assert.deepEqual(answer.choices.map(({ index }: { index: number }) => index), [0, 1, 2]);
  assert.equal(answer.usage.completion_tokens, 15);
  const streamed = await app.request(path, json({ ...question, n: 3, stream: true }));
  const texts = ["", "", ""];
  for (const { data } of readFrames(await streamed.text())) {
    for (const { index, delta } of data.choices ?? []) texts[index] += delta.content ?? "";
  }
  assert.deepEqual(texts, Array(3).fill('You said "hi" under null with any seed'));
  const refused = await app.request(path, json({ ...question, n: 4 }));
  assert.equal(refused.status, 429);
  assert.equal((await refused.json()).error.type, "rate_limit_error");
  assert.equal(chat.running, 0);
});

Deno.test("/v1/models lists every base and adapter, and finds each", async () => {
  const { app } = appOf();
  const { object, data } = await (await app.request("/v1/models")).json();
  assert.equal(object, "list");
  const ids: string[] = data.map(({ id }: { id: string }) => id);
  assert.deepEqual(ids, ["world", "world:0", "world:tiny", "world:three", "bare"]);
  for (const id of ids) {
    const answer = await app.request(`/v1/models/${encodeURIComponent(id)}`);
    assert.equal((await answer.json()).id, id);
  }
  const unknown = await app.request("/v1/models/none");
  assert.equal(unknown.status, 404);
  assert.equal((await unknown.json()).error.code, "model_not_found");
  assert.equal((await app.request(path, json({ ...question, model: "none" }))).status, 404);
});

Deno.test("a model's id names base, adapter and λ; a base that shares its name is `name:`", () => {
  const models = ["one", "two"].map((name) => ({
    name,
    adapters: name === "one" ? ["a", "two"] : ["b.c"],
    loaded: false,
    format: null,
    bytes: 0,
  }));
  const named: Record<string, [string, string | null, string | undefined] | undefined> = {
    one: ["one", null, undefined],
    "one:": ["one", null, undefined],
    a: ["one", "a", undefined],
    "one:a": ["one", "a", undefined],
    "one:a@1,0": ["one", "a", "1,0"],
    "b.c@x=1,y=0": ["two", "b.c", "x=1,y=0"],
    two: ["one", "two", undefined],
    "two:": ["two", null, undefined],
    "two:a": undefined,
    "one@1,0": undefined,
    "": undefined,
    "@": undefined,
  };
  for (const [id, expected] of Object.entries(named)) {
    const found = findModel(id, models);
    assert.deepEqual(found && [found.base, found.adapter, found.preference], expected, id);
  }
  assert.deepEqual(listModelIds(models), ["one", "one:a", "one:two", "two:", "two:b.c"]);
});
