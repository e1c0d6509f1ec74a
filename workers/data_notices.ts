// What the training pairs mean for a run, told before it starts: how many are left of each dimension,
// and whether the data itself shows where the dimensions disagree.
import type { RunConfig } from "../core/config.ts";
import type { TokenizedPair } from "../core/text/example.ts";
import type { PairOptions } from "../core/text/pairs.ts";

/** Share of preferences from the corners that serves pairs of one dimension each; see docs/log.md. */
const CORNERS = 0.6;

/** One line for each thing worth knowing; none for data as one would wish it. */
export function dataNotices(
  pairs: TokenizedPair[],
  { dropped, dimensions, config, lengths }: {
    dropped: number; // pairs that were left out
    dimensions: string[];
    config: Pick<RunConfig, "vertex_share">;
    lengths: PairOptions; // that decided
  },
): string[] {
  const notices: string[] = [];
  if (dropped > 0) {
    const left = dimensions.map((name, i) => `${name} ${pairs.filter(labelled(i)).length}`);
    notices.push(
      `Left out ${dropped} of ${dropped + pairs.length} training pairs: longer than max_length ` +
        `${lengths.maxLength} or without a difference; left are ${left.join(", ")}` +
        (lengths.overlong === "drop" ? "; --overlong truncate cuts long prompts instead" : ""),
    );
  }
  const shared = pairs.some(({ better }) => better.filter((label) => label !== null).length > 1);
  if (dimensions.length > 1 && !shared && config.vertex_share < CORNERS / 2) {
    notices.push(
      "No training pair has a label in two dimensions, so that none shows where they disagree: " +
        `--vertex_share ${CORNERS} lets preferences tell them apart`,
    );
  }
  return notices;
}

function labelled(dimension: number): (pair: TokenizedPair) => boolean {
  return ({ better }) => (better[dimension] ?? null) !== null;
}
