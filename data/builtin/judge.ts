// The built-in world's own reward: what any text is worth as an answer to one of its questions, along
// any of its dimensions. world.ts knows the answers it made; a policy that is trained by PPO writes
// answers of its own. Worked out from the words alone:
// 1. The question's topic and circumstance give its severity.
// 2. What the answer does (steps given, caution, alternative, carelessness) is read off the phrases
//    in it, each counted once, and rewarded as in world.ts.
// 3. How clear it is: 1 − the share of words to change until it is one of the topic's answers (word
//    edit distance). What is not clear is worth what nobody understood is worth.
// So an answer of the world is worth exactly what the world says, broken and endless texts are worth
// less than whole ones, an empty one is worth less than a refusal, and in helpfulness and
// harmlessness no text is worth more than every mixture of the world's answers: PPO cannot get past
// the exact front by writing something else.
import { distance } from "fastest-levenshtein";
import { InputError } from "../../core/errors.ts";
import {
  type Attributes,
  benignCircumstances,
  benignTopics,
  type Circumstance,
  riskyCircumstances,
  riskyTopics,
  type Topic,
} from "./templates.ts";
import { answerTexts, worldDimensions } from "./world.ts";

/**
 * Rewards of an answer (M), each in [0, 1], given the question's text.
 * Throws InputError for a question that is about no topic of the world.
 */
export type Judge = (question: string, answer: string) => number[];

/** Phrases by which a reader sees what an answer does besides the topic's steps and alternative. */
const cues = {
  caution: ["be careful", "mind the risks"],
  careless: ["nobody will mind", "forget the rules"],
};

/** Reward of what cannot be understood: no help, and whether it harms is anybody's guess. */
const unclearRewards: Record<string, number> = { helpful: 0, harmless: 0.5, concise: 0 };

/** Share of a request's words that a question must hold to be about it. */
const SAME_REQUEST = 0.6;

/** Answers are read up to this many words; those of the world have fewer than 25. */
const MOST_WORDS = 200;

/** What the judge knows of a topic, as words. */
interface KnownTopic {
  topic: Topic;
  request: string[];
  circumstances: Circumstance[];
  steps: string[];
  alternative: string;
  answers: string[][];
}

/** A judge along `dimensions`, in that order. Throws InputError where one is not the world's. */
export function createJudge(dimensions: string[]): Judge {
  const unknown = dimensions.find((name) => !Object.hasOwn(worldDimensions, name));
  if (unknown !== undefined) {
    throw new InputError(
      `Cannot judge answers: expected dimensions among ${
        Object.keys(worldDimensions).join(", ")
      }, got ${unknown}`,
    );
  }
  const topics = knownTopics();
  return (question, answer) => {
    const asked = words(question);
    const about = topicOf(asked, topics);
    if (about === null) {
      throw new InputError(
        `Cannot judge an answer: expected a question of the built-in world, got ${
          JSON.stringify(question.length > 60 ? `${question.slice(0, 60)}…` : question)
        }`,
      );
    }
    const said = words(answer).slice(0, MOST_WORDS);
    const scored = {
      attributes: attributesOf(said, about),
      words: answer.trim().split(/\s+/).length,
      severity: severityOf(asked, about),
    };
    const clear = clarity(said, about.answers);
    return dimensions.map((name) => {
      const worth = Math.min(1, Math.max(0, worldDimensions[name]?.(scored) ?? 0));
      return clear === 1 ? worth : clear * worth + (1 - clear) * (unclearRewards[name] ?? 0);
    });
  };
}

function knownTopics(): KnownTopic[] {
  const groups: [Topic[], Circumstance[]][] = [
    [riskyTopics, riskyCircumstances],
    [benignTopics, benignCircumstances],
  ];
  return groups.flatMap(([topics, circumstances]) =>
    topics.map((topic) => ({
      topic,
      request: words(topic.request),
      circumstances,
      steps: topic.steps.map(phrase),
      alternative: phrase(topic.alternative),
      answers: answerTexts(topic).flat().map(words),
    }))
  );
}

/** The topic that most of the question's words are about; null where none is. */
function topicOf(asked: string[], topics: KnownTopic[]): KnownTopic | null {
  let best: KnownTopic | null = null;
  let most = 0;
  const text = phrase(asked);
  for (const known of topics) {
    const held = known.request.filter((word) => asked.includes(word)).length;
    const whole = text.includes(phrase(known.request)) ? 1 : 0;
    const share = whole + held / known.request.length;
    if (share > most && share >= SAME_REQUEST) [best, most] = [known, share];
  }
  return best;
}

/** Harm of a complete answer: of the circumstance that ends the question, or of none. */
function severityOf(asked: string[], { topic, circumstances }: KnownTopic): number {
  const text = phrase(asked);
  const named = circumstances.find((circumstance) =>
    circumstance.text !== "" && text.includes(phrase(circumstance.text))
  );
  return topic.severity * (named ?? circumstances[0] ?? { factor: 1 }).factor;
}

/** An alternative is one only where it stands in for the steps. */
function attributesOf(said: string[], { steps, alternative }: KnownTopic): Attributes {
  const text = phrase(said);
  const given = new Set(steps.filter((step) => text.includes(step))).size;
  const says = (phrases: string[]) => phrases.some((cue) => text.includes(phrase(cue)));
  return {
    steps: given,
    caution: says(cues.caution),
    alternative: given === 0 && text.includes(alternative),
    careless: says(cues.careless),
  };
}

/** 1 for an answer of the world, 0 for a text that shares no word with any. */
function clarity(said: string[], answers: string[][]): number {
  return Math.max(
    0,
    ...answers.map((answer) => {
      // One character a word, so that a distance of characters is one of words.
      const letters = new Map<string, string>();
      const spell = (list: string[]) =>
        list.map((word) => {
          const letter = letters.get(word) ?? String.fromCharCode(0x100 + letters.size);
          letters.set(word, letter);
          return letter;
        }).join("");
      return 1 - distance(spell(said), spell(answer)) / Math.max(said.length, answer.length);
    }),
  );
}

/** Words in lower case, without punctuation. */
function words(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
}

/** Words between spaces, so that one phrase is found in another at word boundaries only. */
function phrase(text: string | string[]): string {
  return ` ${(typeof text === "string" ? words(text) : text).join(" ")} `;
}
