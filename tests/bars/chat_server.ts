// A whole server for the bars that load its chat: an adapter of random parameters on the built-in
// model, which may go on for thousands of tokens here, and what the bars read of it.
import { join } from "node:path";
import { type ServerProcess, startServerProcess } from "../commands/server_process.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { copyBuiltinModel, storeBuiltinAdapter } from "../workers/builtin_adapter.ts";

/** Of an adapter whose most probable answer to "hello" never ends, whatever λ. */
const ENDLESS = 3;

/** A server whose runs folder holds the adapter `first`. */
export interface ChatServer extends AsyncDisposable {
  url: string;
  /** A number of /metrics, named without prefix. */
  metric(name: string): Promise<number>;
}

export async function startChatServer(flags: string[]): Promise<ChatServer> {
  const folder = await temporaryFolder();
  const runs = join(folder.path, "runs");
  const model = join(folder.path, "model");
  await copyBuiltinModel(model, { maxPositions: 4096 });
  await storeBuiltinAdapter(join(runs, "first"), { seed: ENDLESS, model });
  const env = { XDG_CACHE_HOME: join(folder.path, "cache") };
  const server: ServerProcess = await startServerProcess(runs, flags, { env });
  return {
    url: server.url,
    async metric(name) {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      const value = new RegExp(`^panacea_${name}(?:\\{\\})? (\\S+)$`, "m").exec(text)?.[1];
      if (value === undefined) throw new Error(`No metric ${name} in\n${text}`);
      return Number(value);
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** A streamed chat that does not end before it has all its tokens. */
export function longChat(
  url: string,
  { seed, tokens, signal }: { seed: number; tokens: number; signal?: AbortSignal },
): Promise<Response> {
  const body = {
    adapter: "first",
    preference: [(seed % 11) / 10, 1 - (seed % 11) / 10],
    messages: [{ role: "user", content: "hello" }],
    temperature: 0,
    max_tokens: tokens,
    seed,
    stream: true,
  };
  const headers = { "content-type": "application/json" };
  return fetch(`${url}/chat`, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** Resolves after some time: for a load that comes at a rate, and for looking again and again. */
export function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
