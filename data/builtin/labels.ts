// The label model of the built-in world, Bradley–Terry: how rewards become the probability of a label.
// Labels by the order of the rewards alone would not do. At a corner of the simplex they ask for
// infinite log-ratios, so the exact optimum would not exist; and order forgets how much better an
// answer is, so that under DPO-LS (eq. 14) the extremes would win for every λ and the answers in
// between never. A moderate scale keeps the optimum finite for every λ and close to the
// reward-optimal one.

/** Factor that turns a difference of rewards into the log-odds of a label. */
export const LABEL_SCALE = 6;

/** P(an answer of reward `left` is labelled better than one of reward `right`), in (0, 1). */
export function labelProbability(left: number, right: number, labelScale = LABEL_SCALE): number {
  return 1 / (1 + Math.exp(-labelScale * (left - right)));
}
