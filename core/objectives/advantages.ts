// How much better each token of a response was than the critic expected: token rewards and the
// critic's values become advantages (for the policy) and returns (for the critic). Plain numbers, a
// list per response, so that there is no padding to mask. Between core/rlhf/rlhf.ts and ppo.ts.
// Source: Schulman et al. 2016 (GAE), eq. 16; whitening as in TRL.

/** Of one response of T tokens. */
export interface Advantages {
  advantages: Float32Array; // (T)
  /** What the critic should have said: advantage plus value. */
  returns: Float32Array; // (T)
}

/**
 * Generalised advantage estimation of one response: A_t = Σ_l (γ·lam)^l δ_{t+l} with
 * δ_t = r_t + γ·V_{t+1} − V_t. `values[t]` is the critic's at the position that predicts token t;
 * after the last token there is nothing more to come, also where the response was cut (V = 0, as in
 * TRL and Safe-RLHF). Throws TypeError unless there is a value for every reward.
 */
export function generalizedAdvantages(
  rewards: Float32Array, // (T)
  values: Float32Array, // (T)
  { gamma = 1, lam = 0.95 }: { gamma?: number; lam?: number } = {},
): Advantages {
  const T = rewards.length;
  if (values.length !== T) {
    throw new TypeError(
      `Cannot estimate advantages: expected a value for each of ${T} rewards, got ${values.length}`,
    );
  }
  const advantages = new Float32Array(T);
  const returns = new Float32Array(T);
  let following = 0; // A_{t+1}
  let nextValue = 0; // V_{t+1}
  for (let t = T - 1; t >= 0; t--) {
    const value = values[t] ?? NaN;
    const delta = (rewards[t] ?? NaN) + gamma * nextValue - value;
    following = delta + gamma * lam * following;
    advantages[t] = following;
    returns[t] = following + value;
    nextValue = value;
  }
  return { advantages, returns };
}

/**
 * The same lists moved and scaled such that all their numbers together have mean 0 and (unbiased)
 * variance 1, but for a tiny offset that keeps equal numbers finite. One number alone becomes 0.
 */
export function whiten(lists: Float32Array[]): Float32Array[] {
  const { count, mean, squares } = moments(lists, lists.map(() => 1));
  const variance = count > 1 ? squares / (count - 1) : 0;
  const scale = 1 / Math.sqrt(variance + 1e-8);
  return lists.map((list) => list.map((value) => (value - mean) * scale));
}

/**
 * 1 − Var(returns − values) / Var(returns): 1 for a critic that knows the returns, 0 for one that
 * knows their mean at best. `weights` counts each list's numbers more or less often. NaN where all
 * returns are equal.
 */
export function explainedVariance(
  values: Float32Array[],
  returns: Float32Array[],
  weights: number[] = returns.map(() => 1),
): number {
  const errors = returns.map((list, s) => list.map((value, t) => value - (values[s]?.[t] ?? NaN)));
  const { squares } = moments(returns, weights);
  return squares === 0 ? NaN : 1 - moments(errors, weights).squares / squares;
}

/** Of all numbers of the lists: their weights' sum, mean, and weighted squares about the mean. */
function moments(
  lists: Float32Array[],
  weights: number[],
): { count: number; mean: number; squares: number } {
  const count = lists.reduce((total, { length }, s) => total + (weights[s] ?? 0) * length, 0);
  const sum = (of: (value: number) => number) =>
    lists.reduce((total, list, s) => {
      let own = 0;
      for (const value of list) own += of(value);
      return total + (weights[s] ?? 0) * own;
    }, 0);
  const mean = sum((value) => value) / count;
  return { count, mean, squares: sum((value) => (value - mean) ** 2) };
}
