// `deno task serve`: the settings out of flags, the page out of its bundle, and a server until a
// signal ends it. What serves is workers/supervisor.ts and the Workers it starts.
import type { Command } from "commander";
import { InputError } from "../core/errors.ts";
import { isLoopback, ServeConfig } from "../workers/serve_config.ts";
import type { Server } from "../workers/supervisor.ts";
import { type CommandContext, declareCommand } from "./command.ts";
import { declareFlags, flagsOf, parseFlags } from "./flags.ts";
import { printResult, standardError } from "./output.ts";
import { readStaticFiles } from "./static_files.ts";

const groups: Record<string, string> = {
  host: "Where it listens and what it serves:",
  chat_format: "Chat:",
  body_limit_bytes: "Limits:",
};

const notes = `Environment:
  PANACEA_API_KEY  wanted of every caller as a bearer token where it is set; without it the server
                   listens on loopback addresses only
SIGTERM and Ctrl-C end the server in order, with exit code 0; a second one leaves at once.`;

/** Adds `serve` to the program. */
export function register(program: Command, context: CommandContext): void {
  const command = declareCommand(program, "serve", {
    description: "serve fronts, chat and training over HTTP, and a page to see it all",
    notes,
  });
  declareFlags(command, flagsOf(ServeConfig), groups);
  command.action(() => serve(command, context));
}

async function serve(command: Command, context: CommandContext): Promise<void> {
  const { env, signal } = context;
  const config = parseFlags(command, ServeConfig);
  const apiKey = env("PANACEA_API_KEY") || null;
  if (apiKey === null && !isLoopback(config.host)) {
    throw new InputError(
      `Cannot serve on ${config.host}: expected PANACEA_API_KEY to be set for an address that ` +
        "others can reach, got none",
    );
  }
  const { startServer } = await import("../workers/supervisor.ts");
  const server = await startServer({
    config,
    apiKey,
    env,
    web: {
      url: new URL("../routes/web_worker.ts", import.meta.url),
      files: await readStaticFiles(),
    },
    onTrouble: (message) => standardError.write(`${message}\n`),
    onLog: (line) => standardError.write(`${line}\n`),
  });
  context.endsBySignal = true;
  const address = addressOf(server);
  printResult(
    command.opts().json
      ? { address }
      : `Serving ${config.runs} on ${address}\nOpen it in a browser, or see ${address}/docs`,
  );
  await Promise.race([aborted(signal), server.failed]);
  standardError.write("Ending: streams and training may finish what they are at\n");
  await server.drain();
}

function addressOf({ address: { host, port } }: Server): string {
  const name = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  return `http://${name}:${port}`;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
