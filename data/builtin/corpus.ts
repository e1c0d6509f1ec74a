// What the base model of the built-in world reads: every prompt but the tested ones, with every
// answer it can have, each way to say it equally often, so that the reference policy gives all of them
// probability: DPO, PPO and the exact front start there. It is a model before alignment, with a model's
// habits: the detailed and the careless answer follow a risky request twice as often as others, and a
// harmless one is turned down twice as often. So it has to know a request before its first word.
import { Random } from "../../core/random.ts";
import type { InstructionExample } from "../../core/text/example.ts";
import { answerKinds, benignTopics, riskyTopics, type Topic } from "./templates.ts";
import { answerTexts, promptMessages, type World, type WorldPrompt } from "./world.ts";

/** Kinds of answers that follow a request of these topics twice as often as the others do. */
const habits: [Topic[], string[]][] = [
  [riskyTopics, ["full", "careless"]],
  [benignTopics, ["alternative", "refusal"]],
];

/** Training and spare prompts times all phrasings of all answers (552 × 16), in a seeded order. */
export function sftCorpus(
  world: World,
  { seed = 7 }: { seed?: number } = {},
): InstructionExample[] {
  const examples = [...world.train, ...world.spare].flatMap((prompt) =>
    answerTexts(prompt.topic).flatMap((texts, kind) => {
      const often = isHabit(prompt.topic, answerKinds[kind]?.name ?? "") ? 2 : 1;
      return texts.flatMap((answer) =>
        Array.from({ length: often }, () => exchange(prompt, answer))
      );
    })
  );
  const order = new Random(seed).fork("corpus").shuffle(examples.length);
  return Array.from(order, (index) => examples[index]).filter((example) => example !== undefined);
}

/** The tested prompts with each of their answers: what the corpus does not hold. */
export function heldOutCorpus(world: World): InstructionExample[] {
  return world.test.flatMap((prompt) => prompt.answers.map(({ text }) => exchange(prompt, text)));
}

function isHabit(topic: Topic, kind: string): boolean {
  return habits.some(([topics, kinds]) => topics.includes(topic) && kinds.includes(kind));
}

function exchange(prompt: WorldPrompt, answer: string): InstructionExample {
  return {
    prompt: promptMessages(prompt),
    completion: [{ role: "assistant", content: answer }],
  };
}
