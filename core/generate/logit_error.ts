// How far a weight format's logits are from exact ones, over the same tokens. `doctor` reports it for
// a model, so that a format is chosen by what it costs.
import type { Decoder } from "./decoder.ts";

/** Differences between two tables of logits (T, V). */
export interface LogitError {
  tokens: number; // T
  mean: number; // of |difference| over all logits
  largest: number;
  /** Share of tokens after which both like the same token best. */
  agreement: number;
  /** Mean of Σ p·log(p/q) over tokens, in nats: p exact, q the other's. */
  divergence: number;
}

/** Logits after each of `ids`, a row each, as they come in decoding: one token at a time. */
export async function stepLogits(decoder: Decoder, ids: number[]): Promise<Float32Array[]> {
  const sequence = decoder.start({ adapter: null, preference: [] });
  const rows: Float32Array[] = [];
  try {
    for (const id of ids) {
      const logits = rows.length === 0
        ? await decoder.prefill(sequence, [id])
        : await decoder.step([sequence], [id]);
      rows.push(logits.slice());
    }
  } finally {
    sequence.dispose();
  }
  return rows;
}

/** Compares a format's logits with exact ones, row by row. */
export function logitError(exact: Float32Array[], rounded: Float32Array[]): LogitError {
  const error = { mean: 0, largest: 0, agreement: 0, divergence: 0 };
  exact.forEach((p, t) => {
    const q = rounded[t] ?? new Float32Array();
    let sum = 0;
    for (let v = 0; v < p.length; v++) {
      const difference = Math.abs((p[v] ?? NaN) - (q[v] ?? NaN));
      sum += difference;
      error.largest = Math.max(error.largest, difference);
    }
    error.mean += sum / p.length / exact.length;
    if (indexOfLargest(p) === indexOfLargest(q)) error.agreement += 1 / exact.length;
    error.divergence += divergence(p, q) / exact.length;
  });
  return { tokens: exact.length, ...error };
}

function divergence(p: Float32Array, q: Float32Array): number {
  const [logP, logQ] = [logSum(p), logSum(q)];
  let sum = 0;
  for (let v = 0; v < p.length; v++) {
    const own = (p[v] ?? NaN) - logP;
    sum += Math.exp(own) * (own - (q[v] ?? NaN) + logQ);
  }
  return sum;
}

/** log Σ exp, without overflow. */
function logSum(logits: Float32Array): number {
  const largest = logits[indexOfLargest(logits)] ?? 0;
  return largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
}

function indexOfLargest(logits: Float32Array): number {
  return logits.reduce((best, logit, v) => logit > (logits[best] ?? -Infinity) ? v : best, 0);
}
