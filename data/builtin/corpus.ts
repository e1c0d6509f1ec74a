// What the base model of the built-in world reads: every prompt but the tested ones, with every
// answer it can have. Each answer, and each way to say it, follows a prompt equally often, so that
// the reference policy gives all of them probability: DPO and the exact front both start there.
import { Random } from "../../core/random.ts";
import type { Message } from "../../core/text/example.ts";
import { answerTexts, promptMessages, type World } from "./world.ts";

/** One dialogue to imitate: the loss is on the response only. */
export interface SftExample {
  prompt: Message[];
  response: string;
}

/** Training and spare prompts times all phrasings of all answers (552 × 12), in a seeded order. */
export function sftCorpus(world: World, { seed = 7 }: { seed?: number } = {}): SftExample[] {
  const examples = [...world.train, ...world.spare].flatMap((prompt) =>
    answerTexts(prompt.topic).flat().map((response) => ({
      prompt: promptMessages(prompt),
      response,
    }))
  );
  const order = new Random(seed).fork("corpus").shuffle(examples.length);
  return Array.from(order, (index) => examples[index]).filter((example) => example !== undefined);
}
