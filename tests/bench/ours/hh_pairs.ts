// The first HH pairs of one dimension as ../shared/bench/peer_trl_dpo.py and ../peers/front.py take them,
// for the scripts beside this one.
import { createTokenizer } from "../../../core/text/tokenizer.ts";
import type { ChatTokenizer } from "../../../core/text/tokenizer.ts";
import type { Message, PreferenceExample, TokenizedPair } from "../../../core/text/example.ts";
import { tokenizePairs } from "../../../core/text/pairs.ts";
import type { WeightSource } from "../../../core/models/weights.ts";
import { openModel } from "../../../data/models.ts";
import { batch } from "../shape.ts";

const LONGEST_TEXT = 250; // tokens of a dialogue's plain text, as the peers choose

/** A model's weights and `count` pairs of its tokens; the caller closes once the weights are read. */
export async function openHhPairs(
  model: string,
  data: string,
  count: number,
): Promise<{ weights: WeightSource; pairs: TokenizedPair[]; close: () => void }> {
  const { text, config, weights, close } = await openModel(model);
  const tokenizer = createTokenizer(text, config);
  const dataset = {
    dimensions: ["helpful"],
    examples: await readExamples(tokenizer, data, count),
    fingerprint: "",
  };
  const length = { maxLength: batch.length, overlong: "truncate" } as const;
  const { pairs, dropped } = tokenizePairs(tokenizer, dataset, length);
  if (pairs.length === count) return { weights, pairs, close };
  throw new Error(
    `Cannot measure: expected ${count} pairs, got ${pairs.length}, ${dropped} dropped`,
  );
}

/** The first pairs whose two dialogues are short enough and end with the assistant. */
async function readExamples(
  tokenizer: ChatTokenizer,
  path: string,
  count: number,
): Promise<PreferenceExample[]> {
  const file = await Deno.open(path);
  const text = await new Response(file.readable.pipeThrough(new DecompressionStream("gzip")))
    .text();
  const examples: PreferenceExample[] = [];
  for (const line of text.split("\n")) {
    if (line === "" || examples.length === count) continue;
    const { chosen, rejected } = JSON.parse(line) as { chosen: string; rejected: string };
    const lengths = [chosen, rejected].map((dialogue) => tokenizer.encode(dialogue).length);
    const [good, bad] = [turns(chosen), turns(rejected)];
    const answers = [good.pop(), bad.pop()];
    if (Math.max(...lengths) > LONGEST_TEXT) continue;
    const [better, worse] = answers;
    if (better?.role !== "assistant" || worse?.role !== "assistant") continue;
    examples.push({ prompt: good, responses: [better.content, worse.content], better: [0] });
  }
  return examples;
}

function turns(dialogue: string): Message[] {
  return dialogue.split("\n\nHuman: ").slice(1).flatMap((part) => {
    const [human = "", ...answers] = part.split("\n\nAssistant:");
    return [
      { role: "user" as const, content: human.trim() },
      ...answers.map((answer) => ({ role: "assistant" as const, content: answer.trim() })),
    ];
  });
}
