// Entry of the web Worker: the one thread that listens. It may do so at its own address and nothing
// else: no file, no environment, no library. Its ports to the supervisor and to the chat worker, its
// static files and the API key come in its first message (workers/threads.ts).
import project from "../deno.json" with { type: "json" };
import { type Client, connect } from "../workers/rpc.ts";
import { type FromWeb, type ToWeb, WebInit } from "../workers/threads.ts";
import { awaitInit, workerScope } from "../workers/worker_scope.ts";
import { type App, createApp } from "./app.ts";
import { chatClient, serviceClient } from "./clients.ts";
import type { LogLine } from "./context.ts";
import { listen, type Listener } from "./listener.ts";

/** Seconds after the sources of streams were told to end them, in which their last events arrive. */
const GRACE_SECONDS = 1;

/** What runs once the first message is here. */
interface Running {
  app: App;
  /** A chat worker that dies is replaced. */
  chats: { current: Client };
  listening: Promise<Listener>;
  drainSeconds: number;
}

let running: Running | undefined;

void awaitInit(WebInit, (message) => void obey(message as ToWeb)).then(start);

async function start({ config, service, chat, files, apiKey }: WebInit): Promise<void> {
  const chats = { current: connect(chat) };
  const app = createApp({
    service: serviceClient(connect(service)),
    chat: chatClient(() => chats.current),
    config,
    files,
    apiKey: apiKey ?? undefined,
    version: project.version,
    log: writeLog,
  });
  const listening = listen(app, config);
  running = { app, chats, listening, drainSeconds: config.drain_seconds };
  try {
    const { host, port } = await listening;
    say({ type: "listening", address: { host, port } });
  } catch (error) {
    say({
      type: "failed",
      message: `Cannot listen on ${config.host}:${config.port}: expected an address that is ours ` +
        `and free, got ${error instanceof Error ? error.message : error}`,
    });
  }
}

async function obey(message: ToWeb): Promise<void> {
  if (running === undefined) return;
  if (message.type === "chat") {
    const { chats } = running;
    const gone = chats.current;
    chats.current = connect(message.port);
    gone.fail(unavailable(message.reason));
  } else if (message.type === "drain") {
    const { app, listening, drainSeconds } = running;
    await app.drain.end(drainSeconds + GRACE_SECONDS);
    const listener = await listening.catch(() => undefined);
    await listener?.close();
    say({ type: "drained" });
  }
}

/** By its name errors.ts knows it again on the other side of rpc.ts. */
function unavailable(reason: string): Error {
  const error = new Error(`Cannot chat at this moment: ${reason}`);
  error.name = "Unavailable";
  return error;
}

function say(message: FromWeb): void {
  workerScope.postMessage(message);
}

/** One line of JSON: a line break in a value is an escape there. */
function writeLog(line: LogLine): void {
  say({ type: "log", line: JSON.stringify({ time: new Date().toISOString(), ...line }) });
}
