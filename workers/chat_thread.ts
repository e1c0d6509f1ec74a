// The chat Worker as the supervisor keeps it: started with its permissions, started again when it
// dies; where that is no use, chats are answered with the reason.
import type { Downloads } from "./downloads.ts";
import { chatPermissions, type Places } from "./permissions.ts";
import { computeVariables } from "./places.ts";
import { oneSentence } from "./one_sentence.ts";
import { createRestarts } from "./restarts.ts";
import { answer, type Client, connect, type Handlers } from "./rpc.ts";
import type { ServeConfig } from "./serve_config.ts";
import type { ChatEvent, ChatService, Gauges } from "./service.ts";
import { openLine, startThread, type Thread } from "./thread.ts";
import type { ChatInit, ModelSource, ToChat } from "./threads.ts";

/** The running chat Worker, whichever it is by now. */
export interface ChatThread {
  /** A new port that answers ChatService, in place of the last one. */
  openPort(): MessagePort;
  /** What the supervisor itself asks; empty while no Worker runs. */
  readonly service: Pick<ChatService, "models" | "gauges">;
  /** Refuses new chats. */
  drain(): void;
  /** Ends the chats that run, with the reason "shutdown". */
  finish(): void;
  stop(): void;
}

export interface ChatThreadOptions {
  config: ServeConfig;
  places: Places;
  env: (name: string) => string | undefined;
  downloads: Downloads;
  /** Folders and files of base models outside of the places. */
  models: string[];
  /** A Worker died: whoever has a port is to be given a new one. */
  onReplaced: (reason: string) => void;
  onTrouble: (message: string) => void;
  /** Module of the Worker. */
  url?: URL;
}

const CHAT_WORKER = new URL("./chat_worker.ts", import.meta.url);

/** Starts the chat Worker, without waiting for it. */
export function keepChatThread(options: ChatThreadOptions): ChatThread {
  const { onReplaced, onTrouble } = options;
  const mayRestart = createRestarts();
  let stopped = false;
  let waitingPort: MessagePort | null = null; // the Worker's end, until one runs
  let running: { thread: Thread; client: Client } | null = null;
  let hopeless: string | null = null; // why there is no chat

  async function live(): Promise<void> {
    const reason = await start().catch(oneSentence);
    running = null;
    if (stopped) return;
    if (mayRestart()) {
      onTrouble(`Starting the chat again: ${reason}`);
      void live();
    } else {
      hopeless = `Cannot chat: ${reason}`;
      onTrouble(`Going on without chat: ${reason}`);
      if (waitingPort !== null) answer(waitingPort, refusing(hopeless));
      waitingPort = null;
    }
    onReplaced(reason);
  }

  /** One Worker from its start to its end, with the reason of that. */
  async function start(): Promise<string> {
    const { thread, client, init } = await startChat(options);
    if (stopped) thread.stop();
    const web = waitingPort ?? openPair().far;
    waitingPort = null;
    thread.post({ ...init, web } satisfies ToChat, [web, init.supervisor]);
    running = { thread, client };
    return await thread.ended;
  }

  void live();
  return {
    openPort() {
      const { near, far } = openPair();
      if (hopeless !== null) answer(far, refusing(hopeless));
      else if (running === null) waitingPort = far;
      else handOver(running.thread, far);
      return near;
    },
    service: {
      models: async () => await running?.client.call("models") ?? [],
      gauges: async () => await running?.client.call("gauges") ?? {},
    },
    drain: () => running?.thread.post({ type: "drain" } satisfies ToChat),
    finish: () => running?.thread.post({ type: "finish" } satisfies ToChat),
    stop() {
      stopped = true;
      running?.thread.stop();
    },
  };
}

/** Starts one chat Worker, with all of its first message but the web Worker's port. */
async function startChat(
  { config, places, env, downloads, models, onTrouble, url = CHAT_WORKER }: ChatThreadOptions,
): Promise<{ thread: Thread; client: Client; init: Omit<ChatInit, "web"> }> {
  const thread = await startThread(url, {
    name: "chat",
    permissions: chatPermissions(places, { models }),
  });
  const line = openLine();
  thread.watch(line);
  const client = connect(line.near);
  const source: ModelSource = {
    presentModel: (model) =>
      downloads.model(model, {
        signal: new AbortController().signal,
        onEvent: (event) => {
          if (event.type === "notice") onTrouble(event.message);
        },
      }),
  };
  const stopAnswering = answer(line.near, { ...source } satisfies Handlers);
  thread.ended.then((reason) => {
    stopAnswering();
    client.fail(new Error(`Cannot chat: ${reason}`));
  });
  const init: Omit<ChatInit, "web"> = {
    type: "init",
    config,
    supervisor: line.far,
    variables: computeVariables(env),
    graphs: places.graphs,
  };
  return { thread, client, init };
}

function handOver(thread: Thread, port: MessagePort): void {
  thread.post({ type: "web", port } satisfies ToChat, [port]);
}

/** A channel between the web Worker (near) and the chat Worker (far). */
function openPair(): { near: MessagePort; far: MessagePort } {
  const { port1, port2 } = new MessageChannel();
  return { near: port1, far: port2 };
}

/** A ChatService that has no chat. */
function refusing(reason: string): Handlers {
  return {
    // deno-lint-ignore require-yield -- a stream that fails at once
    async *chat(): AsyncGenerator<ChatEvent> {
      throw new Error(reason);
    },
    gauges: (): Gauges => ({}),
    models: () => [],
  };
}
