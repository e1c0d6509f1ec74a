// The official clients of OpenAI, npm and PyPI, unchanged, against a server that listens.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { memoryChat } from "./memory_service.ts";
import { until } from "./until.ts";
import { startWebServer } from "./web_server.ts";

const KEY = "sk-local";
const messages = [{ role: "user" as const, content: "hi" }];
const python = Deno.env.get("PANACEA_PEERS");

Deno.test("npm openai completes a chat, by the model's id and by the field", async () => {
  await using server = await startWebServer({ apiKey: KEY });
  const client = clientOf(server.url);
  const byId = await client.chat.completions.create({
    model: "world:tiny@0.7,0.3",
    messages: [{ role: "developer", content: "be brief" }, ...messages],
    max_completion_tokens: 50,
    seed: 1,
    n: 2,
  });
  assert.equal(byId.choices.length, 2);
  const content = 'You said "hi" under [0.7,0.3] with 1 seed';
  assert.equal(byId.choices[0]?.message.content, content);
  assert.equal(byId.choices[0]?.finish_reason, "stop");
  assert.equal(byId.usage?.completion_tokens, 10);
  assert.match(byId._request_id ?? "", /^[0-9a-f-]{36}$/);
  const request = { model: "tiny", messages, seed: 1, preference: { helpful: 0.7, harmless: 0.3 } };
  assert.equal(
    (await client.chat.completions.create(request)).choices[0]?.message.content,
    content,
  );
});

Deno.test("npm openai streams, and ends the generation when it leaves", async () => {
  const chat = memoryChat({ pace: () => new Promise((resolve) => setTimeout(resolve, 1)) });
  await using server = await startWebServer({ apiKey: KEY, chat });
  const client = clientOf(server.url);
  const stream = await client.chat.completions.create({
    model: "tiny",
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  let usage: number | undefined;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage?.completion_tokens ?? usage;
  }
  assert.equal(text, 'You said "hi" under null with any seed');
  assert.equal(usage, 5);
  const final = await client.chat.completions.stream({ model: "tiny", messages })
    .finalChatCompletion();
  assert.equal(final.choices[0]?.message.content, text);
  for await (
    const _ of await client.chat.completions.create({ model: "tiny", messages, stream: true })
  ) {
    break;
  }
  await until(() => chat.running === 0, 1000);
});

Deno.test("npm openai throws its own errors", async () => {
  const failing = memoryChat({
    *pieces() {
      yield "so far";
      throw new RangeError("no more");
    },
  });
  await using server = await startWebServer({ apiKey: KEY, chat: failing });
  const client = clientOf(server.url);
  const create = (over: object) =>
    client.chat.completions.create({ model: "tiny", messages, ...over });
  await assert.rejects(create({ model: "none" }), OpenAI.NotFoundError);
  await assert.rejects(create({ temperature: 9 }), OpenAI.BadRequestError);
  await assert.rejects(create({ tools: [{ type: "function", function: { name: "f" } }] }), {
    name: "Error",
    status: 400,
    param: "tools",
    type: "invalid_request_error",
  });
  const stranger = clientOf(server.url, "sk-other");
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  const stream = await client.chat.completions.create({ model: "tiny", messages, stream: true });
  await assert.rejects(async () => {
    for await (const _ of stream);
  }, OpenAI.APIError);
  await using full = await startWebServer({ chat: memoryChat({ queue: 0 }) });
  await assert.rejects(
    clientOf(full.url).chat.completions.create({ model: "tiny", messages }),
    OpenAI.RateLimitError,
  );
});

Deno.test("npm openai lists and finds models", async () => {
  await using server = await startWebServer({ apiKey: KEY });
  const client = clientOf(server.url);
  const ids: string[] = [];
  for await (const { id } of client.models.list()) ids.push(id);
  assert.ok(ids.includes("world:tiny"));
  assert.equal((await client.models.retrieve("world:tiny@0.5,0.5")).id, "world:tiny@0.5,0.5");
});

Deno.test({
  name: "PyPI openai completes, streams and throws its own errors" +
    (python ? "" : " (skipped: PANACEA_PEERS names no python with openai)"),
  ignore: !python,
  async fn() {
    await using server = await startWebServer({ apiKey: KEY });
    const { code, stdout, stderr } = await new Deno.Command(python ?? "", {
      args: [fileURLToPath(new URL("openai_client.py", import.meta.url)), server.url, KEY],
      stdout: "piped",
      stderr: "piped",
    }).output();
    const said = new TextDecoder().decode(stdout);
    assert.equal(code, 0, said + new TextDecoder().decode(stderr));
    assert.deepEqual(JSON.parse(said), {
      whole: 'You said "hi" under [0.7,0.3] with 1 seed',
      total_tokens: 7,
      field: 'You said "hi" under [0.7,0.3] with 1 seed',
      streamed: 'You said "hi" under null with any seed',
      usage: 5,
      models: true,
      errors: ["NotFoundError", "BadRequestError", "AuthenticationError"],
      param: "tools",
    });
  },
});

function clientOf(url: string, apiKey = KEY): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
}
