// What the answering run says to the plan's prompts under five λ (figures 6 and 8): greedy, all of a
// prompt's answers in one batch, by the same chat as `deno task chat`.
import { latticeGrid } from "../../core/preference.ts";
import type { Sample } from "../../core/report/results.ts";
import { createChat } from "../chat.ts";
import { createFolderStore } from "../chat_adapters.ts";
import { graphFolder } from "../decoders.ts";
import type { SessionOptions } from "../protocol.ts";
import { ChatRequest, type ChatService } from "../service.ts";

/** λ along an edge of the simplex, as in the paper's figure 8. */
const STEPS = 5;
const MOST_TOKENS = 96;
const MEBIBYTE = 2 ** 20;

/** The answers of the adapter in `folder`, which the report calls `run`. */
export async function answerPrompts(
  { folder, run, prompts, dimensions, threads }: {
    folder: string;
    run: string;
    prompts: string[];
    dimensions: string[];
    threads: number;
  },
  options: SessionOptions,
): Promise<Sample[]> {
  const preferences = shownPreferences(dimensions.length);
  const chat = createChat({
    store: createFolderStore(),
    format: "float32", // what was trained, unrounded
    threads,
    spin: true,
    maxRows: preferences.length,
    maxWaiting: preferences.length,
    maxCacheBytes: 2048 * MEBIBYTE,
    prefixCacheBytes: 64 * MEBIBYTE,
    maxModelBytes: Infinity,
    cacheFolder: graphFolder(options),
    env: options.env,
    onEvent: options.onEvent,
  });
  try {
    const samples: Sample[] = [];
    for (const [done, prompt] of prompts.entries()) {
      options.onEvent({ type: "progress", what: "Answering", done, total: prompts.length });
      const answers = await Promise.all(preferences.map(async (preference) => ({
        preference,
        answer: await answerOf(chat, { folder, prompt, preference }, options.signal),
      })));
      samples.push({ run, prompt, answers });
    }
    return samples;
  } finally {
    chat.finish();
    await chat.close();
    await chat.dispose();
  }
}

async function answerOf(
  chat: Pick<ChatService, "chat">,
  { folder, prompt, preference }: { folder: string; prompt: string; preference: number[] },
  signal: AbortSignal,
): Promise<string> {
  const request: ChatRequest = {
    ...{ adapter: folder, preference, messages: [{ role: "user", content: prompt }] },
    ...{ max_tokens: MOST_TOKENS, temperature: 0, top_p: 1, seed: 0, stop: [] },
  };
  let text = "";
  for await (const event of chat.chat(request, signal)) {
    if (event.type === "text") text += event.text;
  }
  signal.throwIfAborted();
  return text;
}

/** Five λ along the edge for two dimensions; else the corners and the middle. */
function shownPreferences(m: number): number[][] {
  if (m <= 2) return latticeGrid(m, STEPS);
  return [...latticeGrid(m, 2), new Array<number>(m).fill(1 / m)];
}
