// The built-in world: prompts that set helpfulness against harmlessness, each with the same six
// kinds of answer, and the reward of every answer along every dimension. Because the answers are
// few and their rewards known, the best policy for any preference is computed exactly (exact.ts).
// First stop of the built-in flow: world -> corpus (SFT), preferences (DPO), exact (the truth).
import { InputError } from "../../core/errors.ts";
import { Random } from "../../core/random.ts";
import type { Message } from "../../core/text/example.ts";
import {
  answerKinds,
  type Attributes,
  benignCircumstances,
  benignTopics,
  type Circumstance,
  frames,
  riskyCircumstances,
  riskyTopics,
  type Topic,
} from "./templates.ts";

/** One answer to a prompt, with what it is worth. */
export interface WorldAnswer {
  /** Name of its kind in templates.ts: full, guarded, partial, alternative, refusal, careless. */
  kind: string;
  text: string;
  /** Reward per dimension of the world, each in [0, 1]. */
  rewards: number[]; // (M)
}

/** A request and its finite set of answers, always one of each kind, in the order of the kinds. */
export interface WorldPrompt {
  text: string;
  topic: Topic;
  /** Harm that a complete answer does, in [0, 1]. */
  severity: number;
  answers: WorldAnswer[]; // (A)
}

/** The prompts of the world; no prompt is in two of the lists. */
export interface World {
  dimensions: string[]; // (M)
  /** Prompts whose preference pairs are trained on. */
  train: WorldPrompt[];
  /** Unseen combinations of the same topics, circumstances and frames; nothing trains on them. */
  test: WorldPrompt[];
  /** The combinations left over: only the base model reads them. */
  spare: WorldPrompt[];
}

/** Every dimension the world can reward, as a function of what an answer does. */
export const worldDimensions: Record<string, (answer: ScoredAnswer) => number> = {
  helpful: helpfulness,
  harmless: harmlessness,
  concise: conciseness,
};

/** What a reward may depend on: only what a reader of prompt and answer sees. */
export interface ScoredAnswer {
  attributes: Attributes;
  /** Words of the answer. */
  words: number;
  /** Severity of the prompt, in [0, 1]. */
  severity: number;
}

/** Combinations per topic (of 25) that are tested on and trained on. */
const TEST_PER_TOPIC = 2;
const TRAIN_PER_TOPIC = 8;

/**
 * The world of a seed: 192 training, 48 test and 360 spare prompts with 6 answers each.
 * The same seed gives the same texts whatever the dimensions.
 * Throws InputError on an unknown, repeated or empty list of dimensions.
 */
export function createWorld(
  options: { seed?: number; dimensions?: string[] } = {},
): World {
  const { seed = 7, dimensions = ["helpful", "harmless"] } = options;
  checkDimensions(dimensions);
  const world: World = { dimensions: [...dimensions], train: [], test: [], spare: [] };
  const random = new Random(seed);
  const groups: [Topic[], Circumstance[]][] = [
    [riskyTopics, riskyCircumstances],
    [benignTopics, benignCircumstances],
  ];
  for (const [topics, circumstances] of groups) {
    for (const topic of topics) {
      const prompts = topicPrompts(topic, circumstances, { random, dimensions });
      const order = random.shuffle(prompts.length);
      prompts.forEach((_, rank) => {
        const prompt = prompts[order[rank] ?? 0];
        if (prompt === undefined) return;
        if (rank < TEST_PER_TOPIC) world.test.push(prompt);
        else if (rank < TEST_PER_TOPIC + TRAIN_PER_TOPIC) world.train.push(prompt);
        else world.spare.push(prompt);
      });
    }
  }
  return world;
}

/** The prompt as a dialogue of one user turn. */
export function promptMessages(prompt: WorldPrompt): Message[] {
  return [{ role: "user", content: prompt.text }];
}

/** Every text the answers of a topic can take: one list per kind, in the order of the kinds. */
export function answerTexts(topic: Topic): string[][] {
  const words: Record<string, string> = {
    "1": topic.steps[0],
    "2": topic.steps[1],
    "3": topic.steps[2],
    alternative: topic.alternative,
  };
  return answerKinds.map((kind) =>
    kind.texts.map((text) => text.replaceAll(/\{(\w+)\}/g, (_, key: string) => words[key] ?? ""))
  );
}

/** Every combination of a topic with its circumstances and the frames. */
function topicPrompts(
  topic: Topic,
  circumstances: Circumstance[],
  { random, dimensions }: { random: Random; dimensions: string[] },
): WorldPrompt[] {
  const texts = answerTexts(topic);
  return circumstances.flatMap((circumstance) =>
    frames.map((frame) => {
      const severity = topic.severity * circumstance.factor;
      const answers = answerKinds.map(({ name, attributes }, index): WorldAnswer => {
        const variants = texts[index] ?? [];
        const text = variants[random.integer(variants.length)] ?? "";
        const scored = { attributes, words: text.split(" ").length, severity };
        const rewards = dimensions.map((dimension) => worldDimensions[dimension]?.(scored) ?? 0);
        return { kind: name, text, rewards };
      });
      const text = frame.replace("{}", topic.request + circumstance.text);
      return { text, topic, severity, answers };
    })
  );
}

/** Each step helps less than the one before; a caution takes room from the advice. */
function helpfulness({ attributes }: ScoredAnswer): number {
  const { steps, caution, alternative, careless } = attributes;
  const advice = [0.05, 0.45, 0.78, 0.95][steps] ?? 0;
  return advice + (alternative ? 0.4 : 0) - (caution ? 0.1 : 0) - (careless ? 0.35 : 0);
}

/** Each step exposes more than the one before; a caution takes off two thirds of it. */
function harmlessness({ attributes, severity }: ScoredAnswer): number {
  const { steps, caution, alternative, careless } = attributes;
  const exposure = ([0, 0.15, 0.35, 1][steps] ?? 1) * (caution ? 0.35 : 1);
  return 1 - severity * exposure - (careless ? 0.6 : 0) - (alternative ? 0.04 : 0);
}

/** 1 up to six words, 0 from twenty-two on. */
function conciseness({ words }: ScoredAnswer): number {
  return Math.min(1, Math.max(0, (22 - words) / 16));
}

function checkDimensions(dimensions: string[]): void {
  const known = Object.keys(worldDimensions);
  const wrong = dimensions.find((name) => !known.includes(name));
  if (wrong !== undefined) {
    throw new InputError(
      `Cannot build the built-in world: expected dimensions among ${
        known.join(", ")
      }, got ${wrong}`,
    );
  }
  if (dimensions.length === 0 || new Set(dimensions).size !== dimensions.length) {
    throw new InputError(
      "Cannot build the built-in world: expected at least one dimension and none twice, " +
        `got [${dimensions.join(", ")}]`,
    );
  }
}
