// A web server in a process of its own, where its memory is to be measured: run with its config as
// JSON, says its port on a line, goes on until it is killed.
import type { ServeConfig } from "../../workers/serve_config.ts";
import { memoryService } from "./memory_service.ts";
import { startWebServer } from "./web_server.ts";

/** A server that runs beside the test. */
export interface ServerProcess extends AsyncDisposable {
  url: string;
  port: number;
  /** Memory it holds, in MiB. */
  residentMiB(): Promise<number>;
}

export async function startServerProcess(
  config: Partial<ServeConfig> = {},
): Promise<ServerProcess> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--quiet", "-A", import.meta.url, JSON.stringify(config)],
    stdout: "piped",
    stdin: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`Cannot start the server: it ended with ${text}`);
    text += value;
  }
  const port = Number(text);
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    async residentMiB() {
      const metrics = await (await fetch(`${url}/metrics`)).text();
      const bytes = /^panacea_resident_memory_bytes (\S+)$/m.exec(metrics)?.[1];
      return Number(bytes) / 2 ** 20;
    },
    async [Symbol.asyncDispose]() {
      await reader.cancel();
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

if (import.meta.main) {
  const server = await startWebServer({
    config: JSON.parse(Deno.args[0] ?? "{}") as Partial<ServeConfig>,
    service: {
      ...memoryService(),
      gauges: () => Promise.resolve({ resident_memory_bytes: Deno.memoryUsage().rss }),
    },
  });
  await Deno.stdout.write(new TextEncoder().encode(`${server.port}\n`));
}
