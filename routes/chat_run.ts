// One generation as the web process drives it: started so that a refusal still has a status code,
// ended when the client leaves or the server does, measured. /chat and /v1/chat/completions differ
// only in how they write it down.
import type { Context } from "hono";
import type { ChatEvent, ChatRequest } from "../workers/service.ts";
import type { AppEnv, Parts } from "./context.ts";
import { endingRefusal, takeUntil } from "./drain.ts";

export type Start = Extract<ChatEvent, { type: "start" }>;
export type Text = Extract<ChatEvent, { type: "text" }>;
export type End = Extract<ChatEvent, { type: "end" }>;

/** A generation that has begun. */
export interface ChatRun {
  start: Start;
  /** Pieces of text as they come, then the end; nothing more once the client has left. */
  rest: AsyncGenerator<Text | End>;
  abort: () => void;
}

/** Begins to generate; rejects with what the chat worker refuses. */
export async function startChat(
  c: Context<AppEnv>,
  { chat, drain, metrics }: Pick<Parts, "chat" | "drain" | "metrics">,
  request: ChatRequest,
): Promise<ChatRun> {
  drain.refuseNew();
  const controller = new AbortController();
  const events = takeUntil(
    chat.chat(request, controller.signal)[Symbol.asyncIterator](),
    drain.over,
  );
  function abort(): void {
    controller.abort(new DOMException("The client left", "AbortError"));
    void events.return(false);
  }
  whenClientLeaves(c, abort);
  const { value: start } = await events.next();
  if (typeof start !== "object" || start.type !== "start") {
    controller.signal.throwIfAborted();
    abort();
    throw drain.draining ? endingRefusal() : new TypeError("Cannot chat: expected a start first");
  }
  const finish = metrics.chatStarted();
  return {
    start,
    rest: follow(start, events, {
      left: controller.signal,
      onFirst: () => metrics.firstToken(performance.now() - c.get("started")),
      onEnd: (reason) => {
        abort();
        finish(reason);
      },
    }),
    abort: () => {
      abort();
      finish("cancelled");
    },
  };
}

/** What follows the start; where the time of the drain is over first, the end is ours to say. */
async function* follow(
  { promptTokens }: Start,
  events: AsyncIterator<ChatEvent>,
  { left, onFirst, onEnd }: {
    left: AbortSignal;
    onFirst: () => void;
    onEnd: (reason: End["reason"] | "error") => void;
  },
): AsyncGenerator<Text | End> {
  let pieces = 0;
  let reason: End["reason"] | "error" = "error";
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) {
        reason = left.aborted ? "cancelled" : "shutdown";
        if (left.aborted) return;
        if (value === true) throw new TypeError("Cannot chat: expected an end, got none");
        const counts = { promptTokens, cachedTokens: 0, completionTokens: pieces };
        yield { type: "end", reason, ...counts };
        return;
      }
      if (value.type === "start") continue;
      if (value.type === "text" && pieces++ === 0) onFirst();
      if (value.type === "end") reason = value.reason;
      yield value;
      if (value.type === "end") return;
    }
  } finally {
    onEnd(reason);
  }
}

/** Calls `listener` once the connection is gone before the answer was written. */
function whenClientLeaves(c: Context<AppEnv>, listener: () => void): void {
  const outgoing = c.env?.outgoing;
  if (outgoing === undefined) c.req.raw.signal.addEventListener("abort", listener);
  else outgoing.on("close", () => outgoing.writableFinished || listener());
}
