// A chat Worker for keepers_test.ts: counts up instead of generating, and dies when it is asked to.
import { answer, type Handlers } from "../../workers/rpc.ts";
import type { ChatEvent, ChatRequest } from "../../workers/service.ts";
import { ChatInit, type ToChat } from "../../workers/threads.ts";
import { awaitInit } from "../../workers/worker_scope.ts";

const handlers: Handlers = {
  async *chat({ messages }: ChatRequest): AsyncGenerator<ChatEvent> {
    for (let i = 0; i < 3; i++) {
      await Promise.resolve();
      yield { type: "text", text: String(i) };
    }
    if (messages[0]?.content !== "die") return;
    setTimeout(() => Deno.exit(1));
    await new Promise(() => {});
  },
  gauges: () => ({ chats: 0 }),
  models: () => [{ name: "builtin", format: "int8", bytes: 1 }],
};

awaitInit(ChatInit, (message) => {
  const later = message as ToChat;
  if (later.type === "web") answer(later.port, handlers);
}).then(({ web, supervisor }) => {
  answer(web, handlers);
  answer(supervisor, handlers);
});
