// A decoder small enough to train all of its weights in a test, and what it learns there.
import type { DecoderConfig } from "../../core/models/config.ts";
import { Random } from "../../core/random.ts";
import type { Sequence } from "../../core/text/pack.ts";

export const tinyDecoder: DecoderConfig = {
  family: "llama",
  vocabSize: 24,
  width: 16,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 4,
  mlpWidth: 20,
  normEpsilon: 1e-5,
  tiedHead: true,
  maxPositions: 32,
  ropeTheta: 10000,
  ropeScaling: null,
  bosTokenId: null,
  eosTokenIds: [1],
};

/** Sequences in which each response token follows from the one before it. */
export function countingSequences(count: number, seed = 3): Sequence[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => {
    const first = 2 + random.integer(10);
    const length = 2 + random.integer(4);
    return {
      prompt: Int32Array.from([0, first, first + 1]),
      response: Int32Array.from({ length }, (_, t) => t === length - 1 ? 1 : first + 2 + t),
    };
  });
}
