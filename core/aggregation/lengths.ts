// The check that every aggregation of rewards starts with.

/** Throws TypeError unless there is one weight for each of at least one reward. */
export function checkLengths(rewards: number[], preference: number[]): void {
  if (rewards.length !== preference.length || rewards.length === 0) {
    throw new TypeError(
      `Cannot aggregate rewards: expected one weight per reward, ` +
        `got ${rewards.length} rewards and ${preference.length} weights`,
    );
  }
}
