// Aggregations that measure how far the losses, or rewards, are from an ideal point. A loss is never
// negative: its ideal point is 0, and the gaps are the losses. Rewards are given a bound z from above
// (core/rlhf/ideal_point.ts): the gaps are z − r, and the reward is the negative of what the loss
// would be. Source: Panacea (arXiv 2402.02030), eq. 7, 13 and 16.
import type { Aggregation, GapLoss } from "./aggregation.ts";
import { checkLengths } from "./lengths.ts";

/** The aggregation of losses and rewards that a loss over gaps makes. */
export function towardsIdeal(description: string, gapLoss: GapLoss): Aggregation {
  return {
    description,
    needs: { idealPoint: true },
    loss: gapLoss.ofRows,
    reward(rewards, preference, { idealPoint } = {}) {
      checkLengths(rewards, preference);
      const value = gapLoss.of(gapsBelow(rewards, idealPoint), preference);
      return value === 0 ? 0 : -value; // never −0
    },
  };
}

/** z − r (M). With z below r, eq. 13 would push the dimension with the smallest λ: refused. */
function gapsBelow(rewards: number[], idealPoint: number[] | undefined): number[] {
  if (idealPoint?.length !== rewards.length) {
    throw new RangeError(
      `Cannot aggregate rewards: expected an ideal point of ${rewards.length} numbers, ` +
        `got ${idealPoint === undefined ? "none" : `[${idealPoint.join(", ")}]`}`,
    );
  }
  return rewards.map((reward, i) => {
    const gap = (idealPoint[i] ?? NaN) - reward;
    if (!(gap >= 0)) {
      throw new RangeError(
        `Cannot aggregate rewards: expected an ideal point that bounds them from above, ` +
          `got ${idealPoint[i]} below the reward ${reward} of dimension ${i}`,
      );
    }
    return gap;
  });
}
