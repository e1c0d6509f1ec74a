// Preference pairs of the built-in world: two answers to one prompt, one label per dimension.
// Second stop of the built-in flow; read from here on like any other preference data set.
//
// Labels follow Bradley–Terry (labels.ts): P(a is better than b) = σ(scale · (r(a) − r(b))).
// Training pairs carry the probability itself, as if a crowd had labelled them: drawn labels have
// the same optimum and reach it more slowly.
import { createHash } from "node:crypto";
import { InputError } from "../../core/errors.ts";
import { Random } from "../../core/random.ts";
import type { PreferenceDataset, PreferenceExample } from "../../core/text/example.ts";
import { type Labellers, scalarProbability } from "./labellers.ts";
import { LABEL_SCALE, labelProbability } from "./labels.ts";
import { promptMessages, type World, type WorldPrompt } from "./world.ts";

/** How pairs are made of a world. */
export interface PairOptions {
  /** Prompts to compare answers of. Default: train. */
  split?: "train" | "test";
  /**
   * `shares`: Bradley–Terry probabilities as the share of labellers, what training sees. `sampled`:
   * labels drawn with them. `order`: the better reward wins and equal rewards have no label, what
   * accuracy is measured on. Default: shares for train, order for test.
   */
  labels?: "shares" | "sampled" | "order";
  /**
   * Who labels: every pair gets one scalar label, by a labeller drawn by the shares, and every
   * dimension carries that label. Default: each dimension is labelled by its own reward. With them
   * the default of `labels` is `sampled`, and `order` has no meaning.
   */
  labellers?: Labellers;
  /** Log-odds of a label per unit of reward, > 0. */
  labelScale?: number;
  /** Times each pair of answers appears when labels are sampled, each time labelled anew. */
  repetitions?: number;
  /** At most this many examples, chosen by the seed. */
  limit?: number;
  seed?: number;
}

/**
 * All pairs of answers of a split, in an order shuffled by the seed, with one label per dimension
 * of the world. Over its repetitions a pair is labelled in proportion: with probability p and R
 * repetitions, ⌊pR⌋ or ⌈pR⌉ of them, so that each label has probability p but the counts vary less
 * than R independent draws would.
 * Throws RangeError on a scale, number of repetitions or limit that is not positive.
 */
export function builtinPreferences(world: World, options: PairOptions = {}): PreferenceDataset {
  const { split = "train", seed = 7, labellers, labelScale = LABEL_SCALE } = options;
  const usual = split === "test" ? "order" : "shares";
  const { labels = labellers === undefined ? usual : "sampled" } = options;
  const { repetitions = 4, limit } = options;
  checkPositive({ labelScale, repetitions, limit: limit ?? 1 });
  if (labellers !== undefined && labels === "order") {
    throw new RangeError(
      "Cannot build preference pairs: expected labels sampled or shares of labellers, got order",
    );
  }
  const random = new Random(seed).fork(`pairs ${split}`);
  const times = labels === "sampled" ? repetitions : 1;
  const examples: PreferenceExample[] = [];
  for (const prompt of world[split]) {
    for (const [first, second] of answerPairs(prompt)) {
      const a = prompt.answers[first];
      const b = prompt.answers[second];
      if (a === undefined || b === undefined) continue;
      const drawn = (p: number) =>
        labels === "shares" ? [p] : proportionalDraws(p, { times, random }).map(Number);
      const compared = { left: a.rewards, right: b.rewards, labelScale };
      const scalar = labellers && drawn(scalarProbability(labellers, compared));
      // Per dimension and repetition, the share of labels for the first answer.
      const wins = world.dimensions.map((_, i): (number | null)[] => {
        if (scalar !== undefined) return scalar;
        const [left, right] = [a.rewards[i] ?? 0, b.rewards[i] ?? 0];
        if (labels === "order") return [left === right ? null : Number(left > right)];
        return drawn(labelProbability(left, right, labelScale));
      });
      for (let time = 0; time < times; time++) {
        // Which answer comes first must tell nothing.
        const swap = random.uniform() < 0.5;
        examples.push({
          prompt: promptMessages(prompt),
          responses: swap ? [b.text, a.text] : [a.text, b.text],
          better: wins.map((draws) => {
            const won = draws[time] ?? null;
            return won === null ? null : swap ? won : 1 - won;
          }),
        });
      }
    }
  }
  if (examples.length === 0) {
    throw new InputError(
      `Cannot build preference pairs: expected prompts in the ${split} split, got none`,
    );
  }
  const order = random.shuffle(examples.length).slice(0, limit);
  const chosen = Array.from(order, (index) => examples[index]).filter((e) => e !== undefined);
  const dimensions = [...world.dimensions];
  return { dimensions, examples: chosen, fingerprint: contentHash(dimensions, chosen) };
}

/** Index pairs (a, b), a < b, of the answers of a prompt. */
export function answerPairs(prompt: WorldPrompt): [number, number][] {
  return prompt.answers.flatMap((_, a) =>
    prompt.answers.slice(a + 1).map((_, offset): [number, number] => [a, a + 1 + offset])
  );
}

/** `times` draws, each true with probability p, of which ⌊p·times⌋ or ⌈p·times⌉ are true. */
function proportionalDraws(
  p: number,
  { times, random }: { times: number; random: Random },
): boolean[] {
  // Systematic sampling: evenly spaced points behind one random start, dealt in random order.
  const start = random.uniform();
  const order = random.shuffle(times);
  return Array.from(order, (rank) => (rank + start) / times < p);
}

function checkPositive(values: Record<string, number>): void {
  for (const [name, value] of Object.entries(values)) {
    const right = name === "labelScale" ? value > 0 && value < Infinity : Number.isInteger(value);
    if (!right || value <= 0) {
      throw new RangeError(
        `Cannot build preference pairs: expected ${name} to be positive, got ${value}`,
      );
    }
  }
}

function contentHash(dimensions: string[], examples: PreferenceExample[]): string {
  return createHash("sha256").update(JSON.stringify({ dimensions, examples })).digest("hex");
}
