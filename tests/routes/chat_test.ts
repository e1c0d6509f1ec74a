import assert from "node:assert/strict";
import { appOf, json } from "./app_of.ts";
import { memoryChat } from "./memory_service.ts";
import { readFrames } from "./frames.ts";
import { until } from "./until.ts";

const question = { adapter: "tiny", messages: [{ role: "user", content: "hi" }] };

Deno.test("GET /chat answers under the weights of the query", async () => {
  const chat = memoryChat();
  const { app } = appOf({ chat });
  const path = "/chat?adapter=tiny&message=hi&harmless=0.3&helpful=0.7&max_tokens=3&temperature=0" +
    "&top_p=0.5&seed=9&stop=a&stop=b";
  const answer = await app.request(path);
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), {
    model: "world:tiny",
    adapter: "tiny",
    dimensions: ["helpful", "harmless"],
    preference: [0.7, 0.3],
    seed: 9,
    promptTokens: 1,
    text: 'You said "hi"',
    reason: "length",
    cachedTokens: 0,
    completionTokens: 3,
  });
  assert.deepEqual(chat.asked, [{
    adapter: "tiny",
    preference: [0.7, 0.3],
    messages: [{ role: "user", content: "hi" }],
    max_tokens: 3,
    temperature: 0,
    top_p: 0.5,
    seed: 9,
    stop: ["a", "b"],
  }]);
});

Deno.test("λ may be a list, names in one parameter, an array, an object, or left out", async () => {
  const chat = memoryChat();
  const { app } = appOf({ chat });
  const get = "/chat?adapter=tiny&message=hi&preference=";
  await app.request(`${get}0.7,0.3`);
  await app.request(`${get}harmless=0.3,helpful=0.7`);
  await app.request("/chat", json({ ...question, preference: [0.7, 0.3] }));
  await app.request("/chat", json({ ...question, preference: { harmless: 0.3, helpful: 0.7 } }));
  await app.request("/chat?helpful=0.7&harmless=0.3", json(question));
  for (const { preference } of chat.asked) assert.deepEqual(preference, [0.7, 0.3]);
  assert.equal(chat.asked.length, 5);
  const equal = await (await app.request("/chat", json(question))).json();
  assert.deepEqual(equal.preference, [0.5, 0.5]);
});

Deno.test("POST /chat takes adapter and λ from the query, unless the body says otherwise", async () => {
  const { app } = appOf();
  const { messages } = question;
  const both = await app.request("/chat?adapter=three&preference=1,0,0", json({ messages }));
  assert.equal((await both.json()).adapter, "three");
  assert.equal((await app.request("/chat?adapter=three", json(question))).status, 400);
  assert.equal((await app.request("/chat?temperature=1", json(question))).status, 400);
});

Deno.test("a base alone is asked without an adapter and without λ", async () => {
  const chat = memoryChat();
  const { app } = appOf({ chat });
  const answer = await (await app.request("/chat?base=bare&message=hi")).json();
  assert.equal(answer.model, "bare");
  assert.deepEqual(chat.asked[0]?.adapter, null);
  assert.equal((await app.request("/chat?base=bare&message=hi&preference=1")).status, 400);
  assert.equal((await app.request("/chat?adapter=tiny&base=bare&message=hi")).status, 400);
  assert.equal((await app.request("/chat?message=hi")).status, 400);
});

Deno.test("unknown parameters and fields are refused by name", async () => {
  const { app } = appOf();
  const query = await app.request("/chat?adapter=tiny&message=hi&temprature=0.5");
  assert.equal(query.status, 400);
  assert.match((await query.json()).detail, /temprature/);
  const body = await app.request("/chat", json({ ...question, temprature: 0.5 }));
  assert.equal(body.status, 400);
  assert.deepEqual((await body.json()).errors, [
    { in: "json", name: "temprature", message: "no such parameter" },
  ]);
});

Deno.test("a stream has the events start, text and end", async () => {
  const { app } = appOf();
  const ways = [
    app.request("/chat?adapter=tiny&message=hi&stream=true"),
    app.request("/chat", json({ ...question, stream: true })),
    app.request("/chat?adapter=tiny&message=hi", { headers: { accept: "text/event-stream" } }),
  ];
  for (const answer of await Promise.all(ways)) {
    assert.match(answer.headers.get("content-type") ?? "", /^text\/event-stream/);
    const frames = readFrames(await answer.text());
    assert.deepEqual(
      frames.map(({ event }) => event),
      ["start", "text", "text", "text", "text", "text", "end"],
    );
    assert.equal(
      frames.map(({ data }) => data.text ?? "").join(""),
      'You said "hi" under null with any seed',
    );
    assert.equal(frames.at(-1)?.data.reason, "stop");
  }
});

Deno.test("what fails on the way is the last event of a stream, as a problem", async () => {
  const chat = memoryChat({
    *pieces() {
      yield "so far";
      throw new RangeError("Cannot read /secret/folder/model.onnx");
    },
  });
  const { app } = appOf({ chat });
  const frames = readFrames(
    await (await app.request("/chat?adapter=tiny&message=hi&stream=true")).text(),
  );
  assert.deepEqual(frames.map(({ event }) => event), ["start", "text", "error"]);
  assert.equal(frames.at(-1)?.data.status, 500);
  assert.doesNotMatch(JSON.stringify(frames), /secret/);
});

Deno.test("refusals of the chat worker have their status, also where a stream is asked for", async () => {
  const { app } = appOf({ chat: memoryChat({ queue: 0 }) });
  for (const stream of [true, false]) {
    const answer = await app.request("/chat", json({ ...question, stream }));
    assert.equal(answer.status, 429);
    assert.equal(answer.headers.get("retry-after"), "3");
    assert.equal((await answer.json()).type, "urn:panacea:overloaded");
  }
  const long = await app.request("/chat", json({ ...question, max_tokens: 5000 }));
  assert.equal(long.status, 400);
  assert.equal((await app.request("/chat?adapter=none&message=hi")).status, 404);
});

Deno.test("a client that leaves ends its generation, streamed or not", async () => {
  const chat = memoryChat({
    *pieces() {
      for (;;) yield "a";
    },
    pace: () => new Promise((resolve) => setTimeout(resolve, 1)),
    contextTokens: Infinity,
  });
  const { app } = appOf({ chat });
  const streamed = await app.request("/chat?adapter=tiny&message=hi&stream=true");
  await until(() => chat.sent > 3, 1000);
  await streamed.body?.cancel();
  await until(() => chat.running === 0, 1000);
  const leaving = new AbortController();
  const whole = app.request("/chat?adapter=tiny&message=hi", { signal: leaving.signal });
  await until(() => chat.running === 1, 1000);
  leaving.abort();
  assert.equal((await whole).status, 499);
  await until(() => chat.running === 0, 1000);
});
