// Where zero lies on a reward model's scale. Bradley–Terry sees differences only, so the scores of a
// dimension may be shifted at will; a trained model is shifted so that they have mean 0 over the
// responses it was trained on, and rewards of several models can be put on one axis.
// Source: Stiennon et al. 2020, section 3.4 (reward models are normalised to mean 0).

/** Name of the shift (M) among stored parameters; it is not trained. */
export const SCORE_BIAS = "score.bias";

/** What to add to scores (S·M, row-major) so that each of the M columns has mean 0. */
export function centringBias(scores: Float32Array, dimensions: number): Float32Array {
  const sums = new Float64Array(dimensions);
  scores.forEach((score, n) => {
    const i = n % dimensions;
    sums[i] = (sums[i] ?? 0) + score;
  });
  const count = scores.length / dimensions;
  return Float32Array.from(sums, (sum) => count === 0 ? 0 : -sum / count);
}
