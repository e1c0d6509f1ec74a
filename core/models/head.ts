// From the last block's output to log-probabilities of given tokens, and their gradient in the same
// pass. The logits of a vocabulary are large, so rows go through in chunks and only rows that
// predict a response token go through at all.
import * as tf from "@tensorflow/tfjs-core";
import type { Engine, TensorFunction } from "../engine/engine.ts";
import { capped, capSlope } from "./cap.ts";
import type { HeldDecoder } from "./held.ts";
import { normalise } from "./norm.ts";
import { traitsOf } from "./traits.ts";

/** Logits held at once; 2²⁴ floats are 64 MiB. */
const CHUNK_LOGITS = 2 ** 24;

export interface Head {
  /** log p(target) of each row: hidden (N, D), targets (N) → (N). Caller disposes. */
  logProbs(hidden: tf.Tensor2D, targets: Int32Array): tf.Tensor1D;

  /** The same with d log p / d hidden (N, D), exact per row. Caller disposes both. */
  logProbsAndSlopes(
    hidden: tf.Tensor2D,
    targets: Int32Array,
  ): { logProbs: tf.Tensor1D; slopes: tf.Tensor2D };
}

/** What a head reads of a decoder, at each call: the norm and the table may be replaced meanwhile. */
export type HeadWeights = Pick<HeldDecoder, "config" | "norm" | "head">;

export function createHead(engine: Engine, decoder: HeadWeights): Head {
  const { config } = decoder;
  const { logitCap } = traitsOf(config);
  const chunk = rowsAtOnce(config.vocabSize);

  /** hidden (n, D), targets (n), norm (D), head (V, D) → log p (n) [, slopes (n, D)] */
  function rows(withSlopes: boolean): TensorFunction {
    return (hidden, targets, normWeight, table) => {
      const norm = (x: tf.Tensor) => normalise(x as tf.Tensor2D, normWeight as tf.Tensor, config);
      const normed = norm(hidden as tf.Tensor);
      const logits = capped(engine.project(normed, table as tf.Tensor), logitCap); // (n, V)
      const largest = tf.max(logits, 1, true); // (n, 1)
      const exponentials = tf.exp(tf.sub(logits, largest)); // (n, V)
      const sums = tf.sum(exponentials, 1, true); // (n, 1)
      const targetLogit = pick(engine, logits, targets as tf.Tensor1D); // (n)
      const logSum = tf.reshape(tf.add(tf.log(sums), largest), [-1]);
      const logProbs = tf.sub(targetLogit, logSum);
      if (!withSlopes) return [logProbs];
      // d log p / d normed = E[target] − softmax·E, each row of E times the slope of the cap there
      const targetRows = engine.lookup(table as tf.Tensor, targets as tf.Tensor1D); // (n, D)
      const own = steepened(targetRows, capSlope(tf.reshape(targetLogit, [-1, 1]), logitCap));
      const all = steepened(exponentials as tf.Tensor2D, capSlope(logits, logitCap));
      const expected = engine.projectBack(all, table as tf.Tensor);
      const slope = tf.sub(own, tf.div(expected, sums)); // (n, D)
      return [logProbs, tf.grad(norm)(hidden as tf.Tensor, slope)];
    };
  }
  const compiled = [engine.compile(rows(false)), engine.compile(rows(true))] as const;

  function run(hidden: tf.Tensor2D, targets: Int32Array, withSlopes: boolean): tf.Tensor[] {
    return tf.tidy(() => {
      const call = compiled[withSlopes ? 1 : 0];
      const [total, width] = hidden.shape;
      const size = Math.min(chunk, roundUp(total));
      const parts: tf.Tensor[][] = [];
      for (let start = 0; start < total; start += size) {
        const count = Math.min(size, total - start);
        const padding = new Int32Array(size);
        padding.set(targets.subarray(start, start + count));
        const slice = tf.slice(hidden, [start, 0], [count, width]);
        const full = count === size ? slice : tf.pad(slice, [[0, size - count], [0, 0]]);
        const results = call(full, tf.tensor1d(padding, "int32"), decoder.norm, decoder.head);
        parts.push(results.map((result) => count === size ? result : firstRows(result, count)));
      }
      const outputs = withSlopes ? [0, 1] : [0];
      return outputs.map((i) => concat(parts.map((part) => part[i] as tf.Tensor)));
    });
  }

  return {
    logProbs(hidden, targets) {
      const [logProbs] = run(hidden, targets, false);
      return logProbs as tf.Tensor1D;
    },
    logProbsAndSlopes(hidden, targets) {
      const [logProbs, slopes] = run(hidden, targets, true);
      return { logProbs: logProbs as tf.Tensor1D, slopes: slopes as tf.Tensor2D };
    },
  };
}

/** x ⊙ slope, or x where there is none. */
function steepened(x: tf.Tensor2D, slope: tf.Tensor | null): tf.Tensor2D {
  return slope === null ? x : tf.mul(x, slope);
}

/** The entry of each row at its index: table (n, V), indices (n) → (n). */
function pick(engine: Engine, table: tf.Tensor2D, indices: tf.Tensor1D): tf.Tensor1D {
  const [n, V] = table.shape;
  const starts = tf.tensor1d(Int32Array.from({ length: n }, (_, row) => row * V), "int32");
  const cells = tf.reshape(table, [n * V, 1]);
  return tf.reshape(engine.lookup(cells, tf.add(starts, indices)), [n]);
}

/** Rows whose logits are held at once. */
export function rowsAtOnce(vocabSize: number): number {
  return 64 * Math.max(1, Math.min(16, Math.floor(CHUNK_LOGITS / vocabSize / 64)));
}

/** Row counts of a last chunk are few, so that few shapes are compiled. */
export function roundUp(rows: number): number {
  return Math.ceil(rows / 64) * 64;
}

function firstRows(x: tf.Tensor, count: number): tf.Tensor {
  return tf.slice(x, x.shape.map(() => 0), [count, ...x.shape.slice(1)]);
}

function concat(parts: tf.Tensor[]): tf.Tensor {
  const [first] = parts;
  if (first === undefined) throw new RangeError("Cannot compute log-probabilities: expected rows");
  return parts.length === 1 ? tf.clone(first) : tf.concat(parts);
}
