// The chat Worker asked directly, over the port that the web process would have: what a first token
// takes without HTTP.
import { keepChatThread } from "../../../workers/chat_thread.ts";
import { createDownloads } from "../../../workers/downloads.ts";
import { placesOf } from "../../../workers/places.ts";
import { connect } from "../../../workers/rpc.ts";
import { ServeConfig } from "../../../workers/serve_config.ts";
import { type ChatEvent, ChatRequest } from "../../../workers/service.ts";

/** A chat Worker of its own. */
export interface DirectChat {
  /** Asks and resolves at the first piece of text, or at the end where there is none. */
  firstToken(request: Partial<ChatRequest>): Promise<void>;
  stop(): void;
}

/** Starts the chat Worker over a runs folder as the server does. */
export async function openDirectChat({ runs }: { runs: string }): Promise<DirectChat> {
  const env = Deno.env.get;
  const given = ServeConfig.parse({ runs });
  const places = await placesOf(given, env);
  const config = { ...given, runs: places.runs };
  let reason: string | null = null;
  const thread = keepChatThread({
    ...{ config, places, env, models: [] },
    downloads: createDownloads({ places, env }),
    onReplaced: (why) => reason = why,
    onTrouble: (message) => reason = message,
  });
  const client = connect(thread.openPort());
  return {
    async firstToken(request) {
      const asked = ChatRequest.parse(request);
      for await (const { type } of client.stream<ChatEvent>("chat", asked)) {
        if (type !== "start") return;
      }
      throw new Error(`Cannot time a chat: expected a token, got none (${reason ?? "no reason"})`);
    },
    stop: thread.stop,
  };
}
