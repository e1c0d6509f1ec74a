// Bar 3 over HTTP and on the command line: every endpoint and command that takes the name of an
// adapter refuses what leads out of the folder of the adapters, and opens nothing there.
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { runMain } from "../commands/process.ts";
import { canTrace, isInside, LINKS, openedBetween, traced, withRoot } from "./traversal_root.ts";
import { traversalPayloads } from "./traversal_payloads.ts";

const COMMANDS = ["front", "chat"];

/** A request as bytes: clients would tidy up its path before it is sent. */
interface RawRequest {
  method: string;
  target: string;
  body?: unknown;
}

/** Every request that would start a run of this name, or of data or a model of this name. */
function runsWith(name: string): RawRequest[] {
  const run = { name: "new", dataset: "builtin", model_name_or_path: "builtin", max_steps: 1 };
  const settings = ["name", "dataset", "eval_dataset", "ptx_dataset", "model_name_or_path"];
  return [
    ...[...settings, "reward_model"].map((setting) => ({
      method: "POST",
      target: "/runs",
      body: { ...run, [setting]: name },
    })),
    {
      method: "GET",
      target: `/front?adapter=good&metric=reward&reward_model=${
        encodeURIComponent(name.toWellFormed())
      }`,
    },
  ];
}

/** Every other request that carries the name of an adapter or a job. */
function requestsWith(name: string): RawRequest[] {
  const encoded = encodeURIComponent(name.toWellFormed());
  const messages = [{ role: "user", content: "Hello" }];
  const post = (target: string, body: unknown) => ({ method: "POST", target, body });
  const get = (target: string) => ({ method: "GET", target });
  const paths = new Set([encoded, ...(/^[!-~]+$/.test(name) && name.length < 8000 ? [name] : [])]);
  return [
    get(`/front?adapter=${encoded}`),
    get(`/front?adapter=${encoded}&wait=1`),
    get(`/front?adapter=good&compare=${encoded}`),
    get(`/chat?adapter=${encoded}&message=Hello`),
    post(`/chat?adapter=${encoded}`, { messages }),
    post("/v1/chat/completions", { model: name, messages }),
    post("/v1/chat/completions", { model: `builtin:${name}@0.5,0.5`, messages }),
    ...[...paths].flatMap((path) => [
      get(`/adapters/${path}`),
      { method: "DELETE", target: `/adapters/${path}` },
      get(`/v1/models/${path}`),
      get(`/runs/${path}`),
      get(`/runs/${path}/events`),
      post(`/runs/${path}/cancel`, {}),
      post(`/runs/${path}/resume`, {}),
    ]),
  ];
}

Deno.test(
  "every endpoint answers every payload with 4xx" +
    (canTrace ? " and opens nothing outside the root" : " (opens not checked: no strace)"),
  () =>
    withRoot(async (root, outside) => {
      const around = dirname(root);
      const trace = join(around, "trace");
      const command = ["run", "--no-check", "-A", "main.ts", "serve"];
      await using server = await startServer(
        traced(trace, [Deno.execPath(), ...command, "--runs", root, "--port", "0", "--json"]),
      );
      while ((await send(server.port, { method: "GET", target: "/ready" })).status !== 200);
      // What is loaded with the first request of a kind is loaded before the first payload.
      for (const request of requestsWith("no-such-name")) await send(server.port, request);
      for (const target of ["/adapters", "/chat?adapter=good&message=Hello"]) {
        await send(server.port, { method: "GET", target });
      }
      const start = Date.now();
      const wrong: string[] = [];
      let asked = 0;
      for (const payload of [...traversalPayloads(outside), ...LINKS]) {
        // A link's name is a good one for a model of the hub, so a run of it would start.
        const runs = LINKS.includes(payload) ? [] : runsWith(payload);
        for (const request of [...requestsWith(payload), ...runs]) {
          const { status, text } = await send(server.port, request);
          asked++;
          const leaks = text.includes("# secret") || (text.includes(around) && payload !== outside);
          if (status >= 400 && status < 500 && !leaks) continue;
          const { method, target, body } = request;
          wrong.push(`${status} ${method} ${target} ${JSON.stringify(body) ?? ""}`.slice(0, 150));
        }
      }
      const listed = await send(server.port, { method: "GET", target: "/adapters" });
      const end = Date.now();
      assert.deepEqual(wrong, []);
      assert.ok(asked > 60 * 15);
      assert.deepEqual([...listed.text.matchAll(/"id":"([^"]*)"/g)].map(([, id]) => id), ["good"]);
      assert.deepEqual(
        (await Array.fromAsync(Deno.readDir(root))).map(({ name }) => name)
          .filter((name) => !name.startsWith(".")).sort(),
        ["good", ...LINKS].sort(),
      );
      assert.ok((await Array.fromAsync(Deno.readDir(outside))).length > 3, "nothing was removed");
      await server.end();
      if (!canTrace) return;
      const opened = await openedBetween(trace, { pid: server.pid, start, end });
      assert.ok(opened.some((path) => path === join(root, "good", "manifest.json")));
      assert.deepEqual([
        ...new Set(
          opened.filter((path) => !isInside(root, path) && !path.includes("/node_modules/")),
        ),
      ], []);
    }),
);

Deno.test("the commands end with code 2 and one sentence for names that lead nowhere", () =>
  withRoot(async (root) => {
    const names = ["..%2f..%2fetc", "%2e%2e", "....//etc", "a\\..\\..", "\uff0e\uff0e/etc", "a\n"];
    for (const command of COMMANDS) {
      const runs = names.map((name) => runMain([command, "--adapter", join(root, name), "Hello"]));
      for (const [i, { code, stderr }] of (await Promise.all(runs)).entries()) {
        assert.equal(code, 2, `${command} ${names[i]}: ${stderr}`);
        assert.doesNotMatch(stderr, /\n {4}at /);
      }
    }
  }));

/** A server process, its port, and its end. */
async function startServer([command = "", ...args]: string[]) {
  const process = new Deno.Command(command, {
    args,
    cwd: new URL("../../", import.meta.url),
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let text = "";
  for await (const piece of process.stdout.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (text.includes("\n")) break;
  }
  const port = Number(/:(\d+)"/.exec(text)?.[1]);
  assert.ok(port > 0, `the server says where it listens, got ${text}`);
  let ended: Promise<void> | undefined;
  const end = () =>
    ended ??= (async () => {
      process.kill("SIGTERM");
      await process.status;
    })();
  return { pid: process.pid, port, end, [Symbol.asyncDispose]: end };
}

/** Sends a request exactly as it is written and reads the answer to its end. */
async function send(
  port: number,
  { method, target, body }: RawRequest,
): Promise<{ status: number; text: string }> {
  const connection = await Deno.connect({ port });
  const content = body === undefined ? new Uint8Array() : new TextEncoder().encode(
    JSON.stringify(body),
  );
  const head = [
    `${method} ${target} HTTP/1.1`,
    `host: 127.0.0.1:${port}`,
    "connection: close",
    ...(body === undefined ? [] : ["content-type: application/json"]),
    `content-length: ${content.length}`,
  ].join("\r\n");
  const writer = connection.writable.getWriter();
  // A request that is refused early is answered while it is still being sent.
  const sent = writer.write(new TextEncoder().encode(`${head}\r\n\r\n`))
    .then(() => writer.write(content)).catch(() => {});
  const text = await new Response(connection.readable).text();
  await sent;
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), text };
}
