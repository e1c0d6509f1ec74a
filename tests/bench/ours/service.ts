// What the web process costs, on the real server: the first token over HTTP and from the chat Worker
// directly, by turns; /health with and without a training run; a front from the store. One JSON line
// of seconds (and the server's memory in bytes). A process of its own.
import { join } from "node:path";
import { printResult } from "../../../commands/output.ts";
import { median, percentile } from "../compare.ts";
import { openDirectChat } from "./direct_chat.ts";
import { startServer, storeAdapter } from "./server.ts";

const WARM_UP = 20;
const PAIRS = 200; // first tokens of each kind
const REQUESTS = 300; // for the front, and for /health
const APART_MS = 5; // requests while training: a few seconds of it
const ADAPTER = "bench";
const FRONT = { bootstrap: 100, limit: 20 }; // as stored and as asked for

const folder = await Deno.makeTempDir({ prefix: "panacea-bench-service-" });
try {
  const runs = join(folder, "runs");
  await storeAdapter(join(runs, ADAPTER), {
    max_steps: 2,
    bootstrap: FRONT.bootstrap,
    eval_limit: FRONT.limit,
  });
  const server = await startServer({ runs });
  try {
    const first = await timeFirstTokens(server.url, runs);
    const idle = await timeFront(server.url);
    const training = await timeHealthWhileTraining(server.url);
    printResult({ ...first, ...idle, ...training, serverPeakBytes: server.peakBytes() ?? NaN });
  } finally {
    await server.stop();
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}

/** First tokens of the same questions over HTTP and directly, each first every other time. */
async function timeFirstTokens(url: string, runs: string) {
  const chat = await openDirectChat({ runs });
  const http: number[] = [];
  const direct: number[] = [];
  for (let i = 0; i < WARM_UP + PAIRS; i++) {
    const request = {
      adapter: ADAPTER,
      preference: [i % 11 / 10, 1 - i % 11 / 10],
      messages: [{ role: "user" as const, content: `Question ${i}` }], // in no prefix cache
      max_tokens: 1,
      temperature: 0,
    };
    const kinds = [
      async () => http.push(await secondsOf(() => firstTokenOverHttp(url, request))),
      async () => direct.push(await secondsOf(() => chat.firstToken(request))),
    ];
    for (const time of i % 2 === 0 ? kinds : kinds.toReversed()) await time();
  }
  chat.stop();
  const [counted, countedDirect] = [http.slice(WARM_UP), direct.slice(WARM_UP)];
  const added = counted.map((seconds, i) => seconds - (countedDirect[i] ?? NaN));
  return {
    first: median(counted),
    firstDirect: median(countedDirect),
    firstP95: percentile(counted, 0.95),
    firstDirectP95: percentile(countedDirect, 0.95),
    firstAdded: median(added),
    firstAddedP95: percentile(added, 0.95),
  };
}

/** The stored front and /health by turns. */
async function timeFront(url: string) {
  const query = new URLSearchParams({ adapter: ADAPTER });
  for (const [name, value] of Object.entries(FRONT)) query.set(name, String(value));
  const front: number[] = [];
  const health: number[] = [];
  for (let i = 0; i < WARM_UP + REQUESTS; i++) {
    front.push(await secondsOf(() => get(`${url}/front?${query}`)));
    health.push(await secondsOf(() => get(`${url}/health`)));
  }
  const counted = health.slice(WARM_UP);
  return {
    frontP95: percentile(front.slice(WARM_UP), 0.95),
    healthP95: percentile(counted, 0.95),
    healthP99: percentile(counted, 0.99),
  };
}

/** /health from the first step of a run on; the run must outlast it. */
async function timeHealthWhileTraining(url: string) {
  const created = await fetch(`${url}/runs`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: "training", preset: "builtin", max_steps: 5000 }),
  });
  const job = `${url}${created.headers.get("location")}`;
  await created.body?.cancel();
  await untilEvent(`${job}/events`, "step");
  const health: number[] = [];
  for (let i = 0; i < REQUESTS; i++) {
    health.push(await secondsOf(() => get(`${url}/health`)));
    await new Promise((resolve) => setTimeout(resolve, APART_MS));
  }
  const { state } = await (await fetch(job)).json();
  if (state !== "running") throw new Error(`Cannot measure /health: the training is ${state}`);
  await (await fetch(`${job}/cancel`, { method: "POST" })).body?.cancel();
  return { healthTraining: median(health), healthTrainingP99: percentile(health, 0.99) };
}

async function firstTokenOverHttp(url: string, request: Record<string, unknown>): Promise<void> {
  const answer = await fetch(`${url}/chat`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...request, stream: true }),
  });
  await readUntil(answer, /^event: (text|end)$/m);
}

async function untilEvent(url: string, type: string): Promise<void> {
  await readUntil(await fetch(url), new RegExp(`^event: ${type}$`, "m"));
}

/** Reads a stream of events until a line of it is there, and leaves. */
async function readUntil(answer: Response, line: RegExp): Promise<void> {
  let text = "";
  for await (const part of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    if (line.test(text)) return;
  }
  throw new Error(`Cannot time an answer: expected ${line}, got ${answer.status} ${text}`);
}

async function get(url: string): Promise<void> {
  const answer = await fetch(url);
  const text = await answer.text();
  if (answer.status !== 200) {
    throw new Error(`Cannot time ${url}: expected 200, got ${answer.status} ${text}`);
  }
}

async function secondsOf(act: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await act();
  return (performance.now() - start) / 1000;
}
