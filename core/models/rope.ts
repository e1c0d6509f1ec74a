// Tables of rotary position embeddings, in transformers' half-rotation layout: the angle of
// position t and frequency j stands at columns j and j + headDim/2. The decoder multiplies queries
// and keys with them. Frequencies are those of transformers' modeling_rope_utils.py (5.x), rounded
// to float32 where it rounds, so that angles agree at long positions too.
import type { DecoderConfig, RopeScaling } from "./config.ts";

/** Cosines and sines of all rotary angles, row-major (T, headDim). */
export interface RopeTables {
  cos: Float32Array<ArrayBuffer>; // (T, headDim)
  sin: Float32Array<ArrayBuffer>; // (T, headDim)
}

/**
 * Rotary tables for positions 0 … positions−1, the attention factor of YaRN and LongRoPE included.
 * With dynamic scaling the tables depend on `positions` once it exceeds the original length.
 */
export function ropeTables(
  config: Pick<DecoderConfig, "headDim" | "ropeTheta" | "ropeScaling">,
  positions: number, // T
): RopeTables {
  const { headDim } = config;
  const half = headDim / 2;
  const frequencies = ropeFrequencies(config, positions);
  const { ropeScaling: scaling } = config;
  const scale = scaling !== null && "attentionFactor" in scaling ? scaling.attentionFactor : 1;
  const cos = new Float32Array(positions * headDim);
  const sin = new Float32Array(positions * headDim);
  for (let t = 0; t < positions; t++) {
    for (let j = 0; j < half; j++) {
      const angle = Math.fround(t * (frequencies[j] ?? 0));
      const at = t * headDim + j;
      cos[at] = cos[at + half] = Math.fround(Math.cos(angle)) * scale;
      sin[at] = sin[at + half] = Math.fround(Math.sin(angle)) * scale;
    }
  }
  return { cos, sin };
}

/** Radians per position of each rotary frequency, for sequences of `positions` tokens. */
export function ropeFrequencies(
  { headDim, ropeTheta, ropeScaling }: Pick<DecoderConfig, "headDim" | "ropeTheta" | "ropeScaling">,
  positions: number,
): Float32Array { // (headDim / 2)
  if (headDim < 2 || headDim % 2 !== 0) {
    throw new RangeError(`Cannot make rotary tables: expected an even head size, got ${headDim}`);
  }
  if (ropeScaling?.type === "dynamic") {
    ropeTheta = dynamicTheta(ropeTheta, { headDim, positions, scaling: ropeScaling });
  }
  const plain = new Float32Array(headDim / 2);
  for (let j = 0; j < plain.length; j++) {
    plain[j] = 1 / Math.fround(ropeTheta ** Math.fround(2 * j / headDim));
  }
  switch (ropeScaling?.type) {
    case undefined:
    case "dynamic":
      return plain;
    case "linear":
      return plain.map((frequency) => frequency / ropeScaling.factor);
    case "factors":
      return plain.map((frequency, j) => frequency / (ropeScaling.factors[j] ?? 1));
    case "longrope": {
      const { shortFactors } = ropeScaling; // see DecoderConfig.maxPositions
      return plain.map((_, j) => {
        const base = Math.fround(ropeTheta ** Math.fround(2 * j / headDim));
        return 1 / Math.fround(Math.fround(shortFactors[j] ?? NaN) * base);
      });
    }
    case "llama3":
      return plain.map((frequency) => llama3Frequency(frequency, ropeScaling));
    case "yarn": {
      const ramp = yarnRamp(ropeScaling, { headDim, ropeTheta });
      return plain.map((frequency, j) => {
        const extrapolated = 1 - ramp(j);
        return frequency / ropeScaling.factor * (1 - extrapolated) + frequency * extrapolated;
      });
    }
  }
}

/** Base that stretches the slowest frequency to `positions` (NTK-aware scaling, reddit bloc97). */
function dynamicTheta(
  theta: number,
  { headDim, positions, scaling }: {
    headDim: number;
    positions: number;
    scaling: RopeScaling & { type: "dynamic" };
  },
): number {
  const { factor, originalMaxPositions } = scaling;
  const length = Math.max(positions, originalMaxPositions);
  return theta * (factor * length / originalMaxPositions - (factor - 1)) **
      (headDim / (headDim - 2));
}

/** Long waves divided by the factor, short ones kept, a linear blend in between (Llama 3.1). */
function llama3Frequency(frequency: number, scaling: RopeScaling & { type: "llama3" }): number {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = scaling;
  const wavelength = 2 * Math.PI / frequency;
  if (wavelength < originalMaxPositions / highFreqFactor) return frequency;
  if (wavelength > originalMaxPositions / lowFreqFactor) return frequency / factor;
  const smooth = (originalMaxPositions / wavelength - lowFreqFactor) /
    (highFreqFactor - lowFreqFactor);
  return (1 - smooth) * frequency / factor + smooth * frequency;
}

/** Share of interpolation of frequency j: 0 for fast ones, 1 for slow ones (arXiv 2309.00071). */
function yarnRamp(
  { originalMaxPositions, betaFast, betaSlow, truncate }: RopeScaling & { type: "yarn" },
  { headDim, ropeTheta }: { headDim: number; ropeTheta: number },
): (j: number) => number {
  function dimension(rotations: number): number {
    return headDim * Math.log(originalMaxPositions / (rotations * 2 * Math.PI)) /
      (2 * Math.log(ropeTheta));
  }
  const from = truncate ? Math.floor(dimension(betaFast)) : dimension(betaFast);
  const to = truncate ? Math.ceil(dimension(betaSlow)) : dimension(betaSlow);
  const low = Math.max(from, 0);
  const high = Math.min(to, headDim - 1);
  const span = low === high ? 0.001 : high - low;
  return (j) => Math.min(1, Math.max(0, (j - low) / span));
}
