// Where the responses of a pack end: the rows from which a reward model reads its scores.
import type { Pack } from "./pack.ts";

/** The last token of every response of a pack. */
export interface ResponseEnds {
  positions: Int32Array; // (S) flat indices into the pack's arrays
  owners: Int32Array; // (S) index of the sequence in the input of packSequences
}

/** The ends of a pack's responses, in the order of its rows. All response tokens must be learned. */
export function responseEnds({ segments, branches, owners }: Pack): ResponseEnds {
  // Responses lie one behind the other, and their predicted tokens in the same order.
  const positions: number[] = [];
  branches.forEach((branch, at) => {
    if (branch === 0) return;
    if (branches[at + 1] !== branch || segments[at + 1] !== segments[at]) positions.push(at);
  });
  const order = owners.filter((owner, n) => n === 0 || owner !== owners[n - 1]);
  if (order.length !== positions.length) {
    throw new TypeError(
      `Cannot find where responses end: expected ${positions.length} responses with predicted ` +
        `tokens, got ${order.length}`,
    );
  }
  return { positions: Int32Array.from(positions), owners: order };
}
