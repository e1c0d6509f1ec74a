// The real web Worker with its real permissions on a free port of this machine, answering from a
// Service and a ChatService that live in the test.
import { answer, type Handlers } from "../../workers/rpc.ts";
import { ServeConfig } from "../../workers/serve_config.ts";
import type { ChatService, Service } from "../../workers/service.ts";
import { openLine } from "../../workers/thread.ts";
import type { WebInit } from "../../workers/threads.ts";
import { keepWebThread } from "../../workers/web_thread.ts";
import { memoryChat, memoryService } from "./memory_service.ts";

export interface WebServerOptions {
  config?: Partial<ServeConfig>;
  apiKey?: string;
  files?: WebInit["files"];
  service?: Service;
  chat?: ChatService;
  onLog?: (line: string) => void;
}

export interface WebServer extends AsyncDisposable {
  url: string; // http://127.0.0.1:PORT
  port: number;
  /** As the supervisor ends it; resolves when no answer is open. */
  drain(): Promise<void>;
  /** A chat worker that died, and the one after it. */
  replaceChat(chat: ChatService, reason: string): void;
}

/** A server that is up. */
export async function startWebServer(
  { config = {}, apiKey, files = {}, service = memoryService(), chat = memoryChat(), onLog }:
    WebServerOptions = {},
): Promise<WebServer> {
  const ends: (() => void)[] = [];
  function openPort(to: ChatService): MessagePort {
    const line = openLine();
    ends.push(
      answer(line.near, chatHandlers(to)),
      () => (line.near as unknown as MessagePort).close(),
    );
    return line.far;
  }
  const thread = await keepWebThread({
    url: new URL("../../routes/web_worker.ts", import.meta.url),
    init: {
      config: ServeConfig.parse({ port: 0, ...config }),
      apiKey: apiKey ?? null,
      files,
    },
    service: serviceHandlers(service),
    openChatPort: () => openPort(chat),
    onLog,
    onTrouble: (message) => {
      throw new Error(message);
    },
  });
  const { port } = thread.address;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    drain: () => thread.drain(),
    replaceChat: (next, reason) => thread.replaceChat(openPort(next), reason),
    async [Symbol.asyncDispose]() {
      thread.stop();
      for (const end of ends) end();
      await Promise.resolve();
    },
  };
}

function serviceHandlers(service: Service): Handlers {
  return Object.fromEntries(
    Object.entries(service).filter(([, method]) => typeof method === "function"),
  );
}

function chatHandlers(chat: ChatService): Handlers {
  return {
    chat: (request, signal) => chat.chat(request, signal),
    gauges: () => chat.gauges(),
    models: () => chat.models(),
  };
}
