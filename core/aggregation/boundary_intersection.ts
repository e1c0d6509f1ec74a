// Penalty boundary intersection: how far the gaps have come along a ray from the ideal point, and a
// penalty on how far they are from it. In Zhang and Li 2007 (MOEA/D) the weight vector is the ray's
// direction, so that a large weight allows a large gap; here λ_i says how much dimension i counts. The
// ray is therefore that on which all λ_i g_i are equal, w_i ∝ 1/λ_i (Qi et al. 2014, MOEA/D-AWA): the
// one that Tchebycheff's optimum lies on.
import * as tf from "@tensorflow/tfjs-core";
import type { GapLoss } from "./aggregation.ts";

/** Weights below it count as it: a corner of the simplex has a ray too. */
const SMALLEST_WEIGHT = 1e-6;
/** Distances from the ray below this share of the way along it are rounding of float32. */
const RESOLUTION = 1e-5;
/** Keeps 0 / 0 away where all gaps are 0. */
const TINY = 1e-30;

/**
 * d₁ + θ·d₂, where w is the unit vector along the ray, d₁ = g·w and d₂ = ‖g − d₁ w‖, θ ≥ 0. Off
 * the ray a gap that is too small for its weight costs as well: unlike the other aggregations this one
 * does not fall with every gap.
 */
export function boundaryIntersection(theta: number): GapLoss {
  return {
    ofRows: (gaps, preference) =>
      tf.tidy(() => {
        const ray = tf.div(1, tf.maximum(preference, SMALLEST_WEIGHT)); // (G, M)
        const w = tf.div(ray, tf.sqrt(tf.sum(tf.square(ray), 1, true)));
        const along = tf.sum(tf.mul(gaps, w), 1, true); // (G, 1)
        const off = tf.sub<tf.Tensor2D>(gaps, tf.mul(along, w)); // (G, M)
        const distance = rowNorm(off, tf.add(tf.mul(along, RESOLUTION), TINY));
        return tf.add(tf.squeeze(along, [1]), tf.mul(distance, theta)) as tf.Tensor1D;
      }),
    of(gaps, preference) {
      const ray = gaps.map((_, i) => 1 / Math.max(preference[i] ?? 0, SMALLEST_WEIGHT));
      const w = ray.map((value) => value / Math.hypot(...ray));
      const along = gaps.reduce((sum, gap, i) => sum + gap * (w[i] ?? 0), 0);
      return along + theta * Math.hypot(...gaps.map((gap, i) => gap - along * (w[i] ?? 0)));
    },
  };
}

/**
 * The Euclidean norm of each row: (G, M) to (G). It has a corner at 0, where every run starts under
 * equal weights; rows shorter than `resolution` (G, 1) are rounding, and their gradient, which would
 * have length 1 in any direction, falls to 0 with them: a subgradient at 0.
 */
function rowNorm(rows: tf.Tensor2D, resolution: tf.Tensor): tf.Tensor1D {
  const norm = tf.customGrad((input, save) => {
    const x = input as tf.Tensor2D;
    const value = tf.sqrt(tf.sum(tf.square(x), 1, true)); // (G, 1)
    (save as tf.GradSaveFunc)([tf.div(x, tf.maximum(value, resolution))]);
    return {
      value: tf.squeeze<tf.Tensor1D>(value, [1]),
      gradFunc: (dy: tf.Tensor, [direction]: tf.Tensor[]) =>
        tf.mul(tf.expandDims(dy, 1), direction as tf.Tensor2D),
    };
  });
  return norm(rows);
}
