// Seeded random numbers whose whole state is four words of JSON, so that a resumed run continues
// with exactly the numbers an uninterrupted run would have drawn. Every draw of the project comes
// from here. Generator: xoroshiro128+ of pure-rand; gamma: Marsaglia and Tsang, "A simple method
// for generating gamma variables" (ACM TOMS 26, 2000); normal: Box and Muller (1958).
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
import { z } from "zod";

const word = () => z.number().int().min(-(2 ** 31)).max(2 ** 31 - 1);

/** What a generator is, as JSON: four signed 32-bit words, not all 0. */
export const RandomState = z.strictObject({
  generator: z.literal("xoroshiro128plus"),
  words: z.tuple([word(), word(), word(), word()]).refine(
    (words) => words.some((value) => value !== 0),
    "expected a word other than 0",
  ),
});
export type RandomState = z.infer<typeof RandomState>;

type Words = RandomState["words"];

/** A stream of random numbers, determined by its seed or by a stored state. */
export class Random {
  #generator: ReturnType<typeof xoroshiro128plusFromState>;

  /** Takes an integer seed in [0, 2³²) or the result of `state()`; throws RangeError otherwise. */
  constructor(seed: number | RandomState) {
    this.#generator = xoroshiro128plusFromState(
      typeof seed === "number" ? seedWords(seed) : checkedWords(seed),
    );
  }

  /** A multiple of 2⁻⁵³, uniform in [0, 1). */
  uniform(): number {
    return uniformFloat64(this.#generator);
  }

  /** An integer, uniform in 0 … n−1; throws RangeError unless n is an integer in 1 … 2⁵³−1. */
  integer(n: number): number {
    if (!Number.isSafeInteger(n) || n < 1) {
      throw new RangeError(`Cannot draw an integer: expected an integer bound ≥ 1, got ${n}`);
    }
    return uniformInt(this.#generator, 0, n - 1);
  }

  /** A number from N(0, 1). */
  normal(): number {
    // The sine half of the pair is dropped: a kept half would have to be part of the state.
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform())); // 1 − u > 0
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A number ≥ 0 from Gamma(shape, 1); throws RangeError unless shape is positive and finite. */
  gamma(shape: number): number {
    if (!(shape > 0 && shape < Infinity)) {
      throw new RangeError(
        `Cannot draw from a gamma distribution: expected shape > 0, got ${shape}`,
      );
    }
    if (shape < 1) {
      // Gamma(a) = Gamma(a + 1) · u^(1/a): the method below needs a shape of at least 1.
      return this.gamma(shape + 1) * (1 - this.uniform()) ** (1 / shape);
    }
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    while (true) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v <= 0) continue;
      const u = 1 - this.uniform();
      if (Math.log(u) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  }

  /** A permutation of 0 … n−1, each equally likely; throws RangeError unless n is an integer ≥ 0. */
  shuffle(n: number): Int32Array {
    if (!Number.isInteger(n) || n < 0 || n >= 2 ** 31) {
      throw new RangeError(`Cannot shuffle: expected an integer length ≥ 0, got ${n}`);
    }
    const order = Int32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const kept = order[i] ?? 0;
      order[i] = order[j] ?? 0;
      order[j] = kept;
    }
    return order;
  }

  /** The state as JSON: `new Random(state)` continues with the same numbers. */
  state(): RandomState {
    return { generator: "xoroshiro128plus", words: this.#words() };
  }

  /**
   * An independent stream named by a label. It depends on the present state and the label alone,
   * and this stream does not advance: the same label twice gives the same stream twice.
   */
  fork(label: string): Random {
    const units = Array.from({ length: label.length }, (_, i) => label.charCodeAt(i));
    return new Random({
      generator: "xoroshiro128plus",
      words: hashWords([...this.#words(), label.length, ...units]),
    });
  }

  #words(): Words {
    const [a = 0, b = 0, c = 0, d = 0] = this.#generator.getState();
    return [a, b, c, d];
  }
}

/** Spreads a seed over the 128 bits: neighbouring seeds would otherwise start in near equal states. */
function seedWords(seed: number): Words {
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new RangeError(`Cannot seed: expected an integer in 0 … 2³²−1, got ${seed}`);
  }
  return hashWords([seed]);
}

function checkedWords(state: RandomState): Words {
  const parsed = RandomState.safeParse(state);
  if (!parsed.success) {
    throw new RangeError(
      `Cannot restore a random state: expected four 32-bit words of xoroshiro128plus, got ${
        JSON.stringify(state)
      }`,
    );
  }
  return parsed.data.words;
}

/** Four MurmurHash3 (x86, 32 bit) sums of the same 32-bit values, one per seed; never all 0. */
function hashWords(values: number[]): Words {
  const words: Words = [
    murmur(values, 0x9e3779b9),
    murmur(values, 0x3c6ef372),
    murmur(values, 0xdaa66d2b),
    murmur(values, 0x78dde6e4),
  ];
  return words.some((value) => value !== 0) ? words : [1, 0, 0, 0];
}

function murmur(values: number[], seed: number): number {
  let hash = seed | 0;
  for (const value of values) {
    let k = Math.imul(value, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    hash ^= Math.imul(k, 0x1b873593);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  hash ^= 4 * values.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
