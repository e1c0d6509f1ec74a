// What the base model of the built-in world reads: every prompt but the tested ones, with every
// answer it can have. Each answer, and each way to say it, follows a prompt equally often, so that
// the reference policy gives all of them probability: DPO and the exact front both start there.
import { Random } from "../../core/random.ts";
import type { InstructionExample } from "../../core/text/example.ts";
import { answerTexts, promptMessages, type World, type WorldPrompt } from "./world.ts";

/** Training and spare prompts times all phrasings of all answers (552 × 12), in a seeded order. */
export function sftCorpus(
  world: World,
  { seed = 7 }: { seed?: number } = {},
): InstructionExample[] {
  const examples = [...world.train, ...world.spare].flatMap((prompt) =>
    answerTexts(prompt.topic).flat().map((answer) => exchange(prompt, answer))
  );
  const order = new Random(seed).fork("corpus").shuffle(examples.length);
  return Array.from(order, (index) => examples[index]).filter((example) => example !== undefined);
}

/** The tested prompts with each of their answers: what the corpus does not hold. */
export function heldOutCorpus(world: World): InstructionExample[] {
  return world.test.flatMap((prompt) => prompt.answers.map(({ text }) => exchange(prompt, text)));
}

function exchange(prompt: WorldPrompt, answer: string): InstructionExample {
  return {
    prompt: promptMessages(prompt),
    completion: [{ role: "assistant", content: answer }],
  };
}
