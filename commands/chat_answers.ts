// Questions asked together and their answers as they come; used by `deno task chat` for one question
// and for each turn of a dialogue.
import type { ChatEvent, ChatMessage, ChatRequest, ChatService } from "../workers/service.ts";
import type { AnswerWriter } from "./chat_text.ts";

/** A dialogue that ends with a question, and the λ to answer under. */
export interface Question {
  preference: number[];
  messages: ChatMessage[];
}

/** A whole answer. */
export interface ChatAnswer extends Omit<Extract<ChatEvent, { type: "end" }>, "type"> {
  preference: number[];
  text: string;
}

/** Asks all questions at once, with the same settings and seed; see `askTogether`. */
export type Ask = (
  questions: Question[],
  options: { writer: AnswerWriter | null; signal: AbortSignal },
) => Promise<{ answers: ChatAnswer[]; seed: number }>;

/**
 * Asks with settings; `onStart` is called before the first text of each answer. Where no seed is
 * set, each call draws one for all its questions. The first error ends all of them.
 */
export function askTogether(
  service: Pick<ChatService, "chat">,
  { onStart, ...settings }:
    & Omit<ChatRequest, "preference" | "messages">
    & { onStart: () => void },
): Ask {
  return async (questions, { writer, signal }) => {
    const seed = settings.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
    const failed = new AbortController();
    const all = AbortSignal.any([signal, failed.signal]);
    const answers = questions.map(async (question, index): Promise<ChatAnswer> => {
      let text = "";
      for await (const event of service.chat({ ...settings, ...question, seed }, all)) {
        if (event.type === "start") onStart();
        else if (event.type === "text") {
          text += event.text;
          writer?.text(index, event.text);
        } else {
          writer?.end(index);
          const { type: _, ...end } = event;
          return { preference: question.preference, text, ...end };
        }
      }
      throw new TypeError("Cannot chat: expected an answer with an end, got one without");
    });
    try {
      return { answers: await Promise.all(answers), seed };
    } catch (error) {
      failed.abort();
      await Promise.allSettled(answers);
      throw error;
    }
  };
}
