// The web Worker as the supervisor keeps it: started with its permissions, started again on the same
// address when it dies.
import { InputError } from "../core/errors.ts";
import { webPermissions } from "./permissions.ts";
import { createRestarts } from "./restarts.ts";
import { answer, type Handlers } from "./rpc.ts";
import { openLine, startThread, type Thread } from "./thread.ts";
import type { FromWeb, ToWeb, WebInit } from "./threads.ts";

/** The running web Worker, whichever it is by now. */
export interface WebThread {
  readonly address: { host: string; port: number };
  /** Rejects when it died too often. */
  readonly failed: Promise<never>;
  /** Hands it a port to a new chat Worker. */
  replaceChat(port: MessagePort, reason: string): void;
  /** Takes no new work; resolves when no answer is open any more. */
  drain(): Promise<void>;
  stop(): void;
}

export interface WebThreadOptions {
  /** Module of the Worker, in routes/. */
  url: URL;
  /** Its first message, less the ports. */
  init: Omit<WebInit, "type" | "service" | "chat">;
  /** Methods of Service. */
  service: Handlers;
  /** A port to the chat Worker, a new one for each web Worker. */
  openChatPort: () => MessagePort;
  onTrouble: (message: string) => void;
  /** Gets one line of JSON per answered request. */
  onLog?: (line: string) => void;
}

/** Starts the web Worker; throws InputError where it cannot listen. */
export async function keepWebThread(options: WebThreadOptions): Promise<WebThread> {
  const { init, onTrouble, onLog } = options;
  const mayRestart = createRestarts();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {}); // whoever runs the server looks at it
  const drained = Promise.withResolvers<void>();
  let state: "running" | "draining" | "stopped" = "running";
  let config = init.config;
  let thread: Thread;

  async function start(): Promise<{ host: string; port: number }> {
    const started = await startWeb({ ...options, init: { ...init, config } });
    thread = started.thread;
    thread.onMessage((message) => {
      const said = message as FromWeb;
      if (said.type === "drained") drained.resolve();
      if (said.type === "log") onLog?.(said.line);
    });
    thread.ended.then(replace);
    config = { ...config, port: started.address.port }; // the same again, also where it was free
    return started.address;
  }

  async function replace(reason: string): Promise<void> {
    if (state !== "running") return drained.resolve();
    if (!mayRestart()) return failed.reject(new Error(`Cannot go on serving: ${reason}`));
    onTrouble(`Starting to listen again: ${reason}`);
    await start().catch((error) => failed.reject(error));
    if (state !== "running") thread.stop();
  }

  const address = await start();
  return {
    address,
    failed: failed.promise,
    replaceChat: (port, reason) =>
      thread.post({ type: "chat", port, reason } satisfies ToWeb, [port]),
    drain() {
      state = "draining";
      thread.post({ type: "drain" } satisfies ToWeb);
      return drained.promise;
    },
    stop() {
      state = "stopped";
      thread.stop();
    },
  };
}

/** Starts one web Worker and waits until it listens. */
async function startWeb({ url, init, service, openChatPort }: WebThreadOptions) {
  const thread = await startThread(url, { name: "web", permissions: webPermissions(init.config) });
  const listening = Promise.withResolvers<{ host: string; port: number }>();
  thread.onMessage((message) => {
    const said = message as FromWeb;
    if (said.type === "listening") listening.resolve(said.address);
    if (said.type === "failed") listening.reject(new InputError(said.message));
  });
  thread.ended.then((reason) => listening.reject(new Error(`Cannot serve: ${reason}`)));
  const line = openLine();
  thread.watch(line);
  const stopAnswering = answer(line.near, service);
  thread.ended.then(stopAnswering);
  const chat = openChatPort();
  const message: WebInit = { ...init, type: "init", service: line.far, chat };
  thread.post(message, [line.far, chat]);
  try {
    return { thread, address: await listening.promise };
  } catch (error) {
    thread.stop();
    throw error;
  }
}
