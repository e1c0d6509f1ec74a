// A real server on a fresh runs folder for tests, and what they ask of it over HTTP.
import { RunConfig } from "../../core/config.ts";
import type { Job } from "../../data/store/job.ts";
import type { JobEvent } from "../../workers/service.ts";
import { ServeConfig } from "../../workers/serve_config.ts";
import { type Server, startServer } from "../../workers/supervisor.ts";
import { whyMissing } from "../engines.ts";

/** A running server with its address as a URL. */
export interface Serving extends AsyncDisposable {
  server: Server;
  url: string;
  troubles: string[];
  /** Ends it; more calls do nothing. */
  drain(): Promise<void>;
}

/** Starts a server on `runs`; the block that holds it drains it at its end. */
export async function serve(
  runs: string,
  settings: Partial<ServeConfig> = {},
  env: (name: string) => string | undefined = Deno.env.get,
): Promise<Serving> {
  const troubles: string[] = [];
  const server = await startServer({
    config: ServeConfig.parse({ port: 0, runs, drain_seconds: 5, ...settings }),
    apiKey: null,
    env,
    web: { url: new URL("../../routes/web_worker.ts", import.meta.url), files: {} },
    onTrouble: (message) => troubles.push(message),
  });
  let drained: Promise<void> | undefined;
  const drain = () => drained ??= server.drain();
  const { host, port } = server.address;
  const url = `http://${host}:${port}`;
  return { server, url, troubles, drain, [Symbol.asyncDispose]: drain };
}

/** The faster engine that this machine has: native where it is found. */
export const engine: RunConfig["engine"] = whyMissing("tensorflow") === null
  ? "tensorflow"
  : "wasm";

/** A small run of the built-in world, as POST /runs takes it. */
export function smallRun(name: string, settings: Partial<RunConfig> = {}) {
  return { name, max_steps: 3, grid: 3, bootstrap: 10, engine, ...settings };
}

/** Asks for JSON; throws with the answer where it is an error. */
export async function ask<T>(url: string, init: RequestInit = {}): Promise<T> {
  const response = await fetch(url, init);
  const text = await response.text();
  if (response.ok) return JSON.parse(text);
  throw new Error(`${response.status} ${text}`);
}

/** Sends JSON. */
export function post<T>(url: string, body: unknown = {}): Promise<T> {
  const headers = { "content-type": "application/json" };
  return ask(url, { method: "POST", headers, body: JSON.stringify(body) });
}

/** The events of a job up to its end, or up to the one that `until` accepts. */
export async function watch(
  url: string,
  id: string,
  until: (event: JobEvent) => boolean = () => false,
): Promise<JobEvent[]> {
  const leave = new AbortController();
  const events: JobEvent[] = [];
  const { body } = await fetch(`${url}/runs/${id}/events`, { signal: leave.signal });
  let text = "";
  for await (const piece of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece;
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      if (!line.startsWith('data: {"seq"')) continue;
      const event: JobEvent = JSON.parse(line.slice(6));
      events.push(event);
      if (!until(event)) continue;
      leave.abort();
      return events;
    }
  }
  return events;
}

/** The job once its history has ended. */
export async function finished(url: string, id: string): Promise<Job> {
  await watch(url, id);
  return await ask(`${url}/runs/${id}`);
}
