// Proximal policy optimisation on tokens: what a response's tokens are rewarded with, and the two
// clipped losses of an update, of the policy and of the critic, each with its slopes: the derivative
// by every log-probability and every value, from where core/token_pass.ts goes back to parameters.
// Plain numbers, a list per response, so that there is no padding to mask.
// Source: Schulman et al. 2017 (PPO), eq. 7 and 9; token rewards as in InstructGPT (Ouyang et al.
// 2022) and Safe-RLHF (Dai et al. 2023), the code base of the paper.

/** A loss with its slopes: d loss / d (log-probability or value) of every token. */
export interface TokenLoss {
  loss: number;
  slopes: Float32Array[]; // (S) of (T)
  /** Of each response: the share of tokens that clipping takes the gradient from. */
  clipped: Float32Array; // (S)
}

/**
 * Rewards of the tokens of one response: −klCoef·(log π − log π_ref) at each, and at the last one
 * also the response's own `score`. Summed up they are eq. 12 and 13 of Panacea for one sample.
 * Throws TypeError for lists of different lengths.
 */
export function tokenRewards(
  score: number,
  { logProbs, referenceLogProbs, klCoef }: {
    logProbs: Float32Array; // (T) of the policy that drew the response
    referenceLogProbs: Float32Array; // (T)
    klCoef: number;
  },
): Float32Array {
  checkLengths([logProbs], [referenceLogProbs]);
  const rewards = logProbs.map((logProb, t) => -klCoef * (logProb - (referenceLogProbs[t] ?? NaN)));
  const last = rewards.length - 1;
  rewards[last] = (rewards[last] ?? NaN) + score;
  return rewards;
}

/**
 * −mean over all tokens of min(ρ·A, clip(ρ, 1 ± cliprange)·A), with ρ = π/π_old. Old
 * log-probabilities are those of the policy that drew the responses.
 */
export function policyLoss(
  logProbs: Float32Array[], // (S) of (T)
  { oldLogProbs, advantages, cliprange }: {
    oldLogProbs: Float32Array[];
    advantages: Float32Array[];
    cliprange: number;
  },
): TokenLoss {
  checkLengths(logProbs, oldLogProbs);
  checkLengths(logProbs, advantages);
  return meanOverTokens(logProbs, (logProb, s, t) => {
    const advantage = advantages[s]?.[t] ?? NaN;
    const ratio = Math.exp(logProb - (oldLogProbs[s]?.[t] ?? NaN));
    const plain = -advantage * ratio;
    const bounded = -advantage * Math.min(1 + cliprange, Math.max(1 - cliprange, ratio));
    return plain >= bounded
      ? { loss: plain, slope: plain, clipped: false } // d ρ / d log π = ρ
      : { loss: bounded, slope: 0, clipped: true };
  });
}

/**
 * Half the mean over all tokens of max((V − R)², (V' − R)²), V' being V held within
 * ± cliprangeValue of what it was when the responses were drawn.
 */
export function valueLoss(
  values: Float32Array[], // (S) of (T)
  { oldValues, returns, cliprangeValue }: {
    oldValues: Float32Array[];
    returns: Float32Array[];
    cliprangeValue: number;
  },
): TokenLoss {
  checkLengths(values, oldValues);
  checkLengths(values, returns);
  return meanOverTokens(values, (value, s, t) => {
    const old = oldValues[s]?.[t] ?? NaN;
    const target = returns[s]?.[t] ?? NaN;
    const bounded = Math.min(old + cliprangeValue, Math.max(old - cliprangeValue, value));
    const plainError = value - target;
    const boundedError = bounded - target;
    return plainError ** 2 >= boundedError ** 2
      ? { loss: plainError ** 2 / 2, slope: plainError, clipped: false }
      : { loss: boundedError ** 2 / 2, slope: 0, clipped: true };
  });
}

/** Mean negative log-probability of all tokens (PTX); its slopes are `weight` times the loss's. */
export function likelihoodLoss(logProbs: Float32Array[], weight = 1): TokenLoss {
  return meanOverTokens(
    logProbs,
    (logProb) => ({ loss: -logProb, slope: -weight, clipped: false }),
  );
}

/** The mean of a loss over every token of all responses: long responses weigh more. */
function meanOverTokens(
  lists: Float32Array[],
  at: (value: number, s: number, t: number) => { loss: number; slope: number; clipped: boolean },
): TokenLoss {
  const count = lists.reduce((sum, { length }) => sum + length, 0);
  let total = 0;
  const clipped = new Float32Array(lists.length);
  const slopes = lists.map((list, s) =>
    list.map((value, t) => {
      const token = at(value, s, t);
      total += token.loss;
      if (token.clipped) clipped[s] = (clipped[s] ?? 0) + 1 / list.length;
      return token.slope / count;
    })
  );
  return { loss: total / count, slopes, clipped };
}

function checkLengths(lists: Float32Array[], others: Float32Array[]): void {
  const wrong = lists.findIndex(({ length }, s) => others[s]?.length !== length);
  if (wrong < 0 && lists.length === others.length) return;
  throw new TypeError(
    `Cannot compute PPO: expected lists of equal lengths, got ${lists.length} and ` +
      `${others.length} responses of ${lists[wrong]?.length} and ${others[wrong]?.length} tokens`,
  );
}
