// Discrete Policy Solutions: one adapter for each preference of a set; any other preference is served
// by the member that is nearest. A baseline of the paper, which evaluates it on the set alone.
// Source: Zhong et al. 2024, section 5 (after Li et al. 2020; Barrett and Narayanan 2008).
import * as tf from "@tensorflow/tfjs-core";
import { InputError } from "../errors.ts";
import type { Adapter } from "./adapter.ts";
import { compositeAdapter, type CompositeOptions, type Shares } from "./composite.ts";
import { plainSvdLora } from "./plain_svd_lora.ts";

/** Squared distances that differ by less are equal: far above rounding, far below a grid's step. */
const TIE = 1e-6;

/**
 * ΔW(λ) = ΔW_i with i the member whose preference is nearest to λ (Euclidean distance). Of members
 * equally near, their squared distances less than 1e-6 apart, the first in `members` serves: on a
 * lattice of two dimensions the one with the smaller λ_1. Throws InputError for no members and for
 * preferences of another length than `objectives`.
 */
export function discretePolicies({ members, ...options }: CompositeOptions): Adapter {
  const wrong = members.find((own) => own.length !== options.objectives);
  if (members.length === 0 || wrong !== undefined) {
    throw new InputError(
      `Cannot use discrete_policies: expected members with ${options.objectives} weights each, ` +
        `got ${wrong === undefined ? "none" : `one for [${wrong.join(", ")}]`}`,
    );
  }
  return compositeAdapter(plainSvdLora(options), members.length, nearestShares(members));
}

/** All of it to the nearest member. */
function nearestShares(members: number[][]): Shares {
  return {
    affine: members.length === 1,
    ofRows(preference) {
      const gaps = tf.sub(tf.expandDims(preference, 1), tf.tensor2d(members)); // (N, K, M)
      const distances = tf.sum(tf.square(gaps), 2); // (N, K)
      const nearest = tf.min(distances, 1, true); // (N, 1)
      const isNear = tf.cast(tf.lessEqual(distances, tf.add(nearest, TIE)), "float32"); // (N, K)
      // The first of those near has the highest rank.
      const ranked = tf.mul(isNear, tf.tensor1d(members.map((_, i) => members.length - i)));
      return tf.cast(tf.equal(ranked, tf.max(ranked, 1, true)), "float32") as tf.Tensor2D;
    },
    of(preference) {
      const distances = members.map((own) =>
        own.reduce((sum, weight, j) => sum + (weight - (preference[j] ?? NaN)) ** 2, 0)
      );
      const least = Math.min(...distances);
      const first = distances.findIndex((distance) => distance <= least + TIE);
      return members.map((_, i) => Number(i === first));
    },
  };
}
