// How attention goes through a row: queries in chunks, each with the keys up to its own end, because no
// token of a row sees a later one (pack.ts). Longer rows cost more by the scores that this computes.

/** Queries are taken this many tokens at a time at least; fewer make small products. */
const LEAST_CHUNK = 64;
/** Chunks at most: 4 compute 5/8 of the scores, 8 would compute 9/16 in twice as many calls. */
const MOST_CHUNKS = 4;

/** Tokens of a row whose attention's weights take as much room as all products of a SmolLM2-135M block. */
const LONGEST_KEPT = 384;

/** The chunks of a row of T tokens, from token to token. */
export function queryChunks(length: number): { start: number; end: number }[] {
  const count = Math.max(1, Math.min(MOST_CHUNKS, Math.floor(length / LEAST_CHUNK)));
  const bounds = Array.from({ length: count + 1 }, (_, c) => Math.ceil(c * length / count));
  return bounds.slice(1).map((end, c) => ({ start: bounds[c] ?? 0, end }));
}

/**
 * Whether attention's weights are worth keeping for the gradient: in longer rows they would take the room
 * of other residuals, which save more time for it.
 */
export function keepsWeights(length: number): boolean {
  return length <= LONGEST_KEPT;
}

/** Scores that are computed for a head and a row of T tokens: fewer than T². */
export function scoresComputed(length: number): number {
  return queryChunks(length).reduce((sum, { start, end }) => sum + (end - start) * end, 0);
}
