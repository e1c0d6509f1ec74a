// The chat Worker: ONNX Runtime's library, no network. It answers ChatService on the ports that the
// supervisor hands it, to the web Worker and to the supervisor; chat.ts computes.
import { type Chat, createChat } from "./chat.ts";
import { createChatStore } from "./chat_adapters.ts";
import { answer, connect, type Port } from "./rpc.ts";
import { ChatInit, type ToChat } from "./threads.ts";
import { awaitInit } from "./worker_scope.ts";

const MEBIBYTE = 2 ** 20;
/** Weights and adapters of idle models are kept up to this. */
const MODEL_BYTES = 4096 * MEBIBYTE;

let chat: Chat | null = null;
let leaveWeb = () => {};

awaitInit(ChatInit, obey).then(({ config, web, supervisor, variables, graphs }) => {
  const source = connect(supervisor);
  chat = createChat({
    store: createChatStore(config.runs),
    format: config.chat_format,
    threads: 0,
    spin: false, // a training run may compute beside it
    maxRows: config.chat_batch,
    maxWaiting: config.chat_queue,
    maxCacheBytes: config.chat_cache_mb * MEBIBYTE,
    prefixCacheBytes: config.prefix_cache_mb * MEBIBYTE,
    maxModelBytes: MODEL_BYTES,
    cacheFolder: graphs,
    env: (name) => Object.hasOwn(variables, name) ? variables[name] : undefined,
    presentModel: (model) => source.call("presentModel", model),
  });
  serve(chat, supervisor);
  leaveWeb = serve(chat, web);
});

/** Later messages of the supervisor. */
function obey(message: unknown): void {
  if (!chat) return;
  const said = message as ToChat;
  switch (said.type) {
    case "init":
      return; // was the first message
    case "drain":
      return void chat.close();
    case "finish":
      return chat.finish();
    case "web":
      leaveWeb(); // whoever called on the old port is gone
      leaveWeb = serve(chat, said.port);
      return;
    default:
      said satisfies never;
  }
}

function serve(chat: Chat, port: Port): () => void {
  return answer(port, {
    chat: (request, signal) => chat.chat(request, signal),
    gauges: () => chat.gauges(),
    models: () => chat.models(),
  });
}
