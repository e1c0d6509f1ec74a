// Generations written as OpenAI's chat completions: whole, or chunk by chunk with several answers
// mingled as they come.
import { type ChatRun, type End, type Start, type Text } from "./chat_run.ts";
import { endingRefusal } from "./drain.ts";
import type { Completion, CompletionChunk, Usage } from "./openai_schemas.ts";
import type { Frame } from "./sse.ts";

/** All answers whole. */
export async function completionOf(runs: ChatRun[]): Promise<Completion> {
  const answers = await Promise.all(runs.map(async ({ rest }) => {
    let content = "";
    for await (const event of rest) {
      if (event.type === "end") return { content, end: event, reason: finishReason(event) };
      content += event.text;
    }
    throw new DOMException("The client left", "AbortError");
  }));
  return {
    ...describe(runs),
    object: "chat.completion",
    choices: answers.map(({ content, reason }, index) => ({
      index,
      message: { role: "assistant", content, refusal: null },
      logprobs: null,
      finish_reason: reason,
    })),
    usage: usageOf(answers.map(({ end }) => end)),
  };
}

/** All answers as events. */
export async function* framesOf(runs: ChatRun[], includeUsage: boolean): AsyncGenerator<Frame> {
  const common = {
    ...describe(runs),
    object: "chat.completion.chunk" as const,
    ...(includeUsage && { usage: null }),
  };
  const chunk = (
    index: number,
    delta: CompletionChunk["choices"][number]["delta"],
    finish_reason: "stop" | "length" | null = null,
  ) => frame({ ...common, choices: [{ index, delta, logprobs: null, finish_reason }] });

  for (const index of runs.keys()) yield chunk(index, { role: "assistant", content: "" });
  const ends: End[] = [];
  for await (const { index, event } of mingle(runs)) {
    if (event.type === "text") yield chunk(index, { content: event.text });
    else {
      yield chunk(index, {}, finishReason(event));
      ends.push(event);
    }
  }
  if (ends.length < runs.length) return; // the client has left
  if (includeUsage) yield frame({ ...common, choices: [], usage: usageOf(ends) });
  yield { data: "[DONE]" };
}

/** Events of several generations in the order they come; those that are left over are aborted. */
async function* mingle(runs: ChatRun[]): AsyncGenerator<{ index: number; event: Text | End }> {
  const next = async (index: number) => ({ index, result: await runs[index]?.rest.next() });
  const waiting = new Map(runs.map((_, index) => [index, next(index)]));
  try {
    while (waiting.size > 0) {
      const { index, result } = await Promise.race(waiting.values());
      if (result === undefined || result.done) waiting.delete(index);
      else {
        waiting.set(index, next(index));
        yield { index, event: result.value };
      }
    }
  } finally {
    runs.forEach(({ abort }) => abort());
    for (const late of waiting.values()) late.catch(() => {}); // one failed: the others are over
  }
}

/** OpenAI has no word for an answer that the server's end cut off: that is an error. */
function finishReason({ reason }: End): "stop" | "length" {
  if (reason === "stop" || reason === "length") return reason;
  throw endingRefusal();
}

function describe(runs: ChatRun[]) {
  const start: Start | undefined = runs[0]?.start;
  return {
    id: `chatcmpl-${crypto.randomUUID()}`,
    created: Math.floor(Date.now() / 1000),
    model: start?.model ?? "",
    preference: Object.fromEntries(
      start?.dimensions.map((name, i) => [name, start.preference[i] ?? 0]) ?? [],
    ),
  };
}

function usageOf(ends: End[]): Usage {
  const prompt = ends[0]?.promptTokens ?? 0; // the same for every answer
  const completion = ends.reduce((sum, { completionTokens }) => sum + completionTokens, 0);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: ends[0]?.cachedTokens ?? 0 },
  };
}

function frame(chunk: CompletionChunk): Frame {
  return { data: JSON.stringify(chunk) };
}
