// The cells of a preference grid: simplices with neighbouring grid points for corners, which fill
// the simplex of all λ and between whose corners a front is interpolated. Kuhn's subdivision, which
// for three dimensions is the usual one into small triangles.
// Kuhn, "Some combinatorial lemmas in topology", IBM Journal of Research and Development 4, 1960.
import { InputError } from "../errors.ts";

/**
 * The cells of a grid, each as the indices (M) of its corners in `preferences` (N, M). A cell whose
 * corners are not all there is left out. Throws InputError for weights that are on no grid.
 */
export function* gridCells(preferences: number[][]): Generator<number[]> {
  const m = preferences[0]?.length ?? 0;
  const least = preferences.flat().reduce((a, b) => (b > 1e-9 && b < a ? b : a), 1);
  const steps = Math.round(1 / least); // weights are multiples of 1/steps
  const parts = preferences.map((preference) => preference.map((w) => Math.round(w * steps)));
  const onGrid = preferences.every((preference, n) =>
    preference.every((weight, i) => Math.abs(weight * steps - (parts[n]?.[i] ?? NaN)) < 1e-6)
  );
  if (!onGrid) {
    throw new InputError(
      "Cannot interpolate the front: expected preferences on an even grid, got others",
    );
  }
  const places = new Map(parts.map((part, n) => [part.join(), n]));
  const moves = Array.from({ length: m - 1 }, (_, i) => i);
  for (const part of parts) yield* cellsFrom([part], moves, places);
}

/**
 * Cells that start at one point: each further corner moves one step of weight from a dimension to
 * the one before it, every such move once, in any order.
 */
function* cellsFrom(
  corners: number[][],
  moves: number[],
  places: Map<string, number>,
): Generator<number[]> {
  if (moves.length === 0) {
    yield corners.map((corner) => places.get(corner.join()) ?? NaN);
    return;
  }
  for (const move of moves) {
    const next = [...corners[corners.length - 1] ?? []];
    next[move] = (next[move] ?? 0) + 1;
    next[move + 1] = (next[move + 1] ?? 0) - 1;
    if (!places.has(next.join())) continue;
    yield* cellsFrom([...corners, next], moves.filter((other) => other !== move), places);
  }
}
