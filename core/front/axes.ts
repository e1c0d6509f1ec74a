// Which dimensions stand on the axes of a front's panels, and how far an axis reaches: shared by the
// picture (panels) and the page's plot (routes/page/front), so that both show the same.

/** The dimensions on the axes of a panel. */
export interface Pair {
  x: number;
  y: number;
}

/** All pairs of dimensions, the earlier one across; none for one dimension. */
export function pairsOf(m: number): Pair[] {
  return Array.from(
    { length: m },
    (_, x) => Array.from({ length: m - x - 1 }, (_, k) => ({ x, y: x + k + 1 })),
  ).flat();
}

/**
 * The range of an axis: the values with some room, and the reference point where showing it leaves
 * the values at least half of the axis.
 */
export function domain(values: number[], reference: number): [number, number] {
  const finite = values.filter(Number.isFinite);
  let [low, high] = [Math.min(...finite), Math.max(...finite)];
  const extent = high - low || Math.abs(high) * 0.1 || 1;
  if (reference < low && low - reference <= extent) low = reference;
  if (reference > high && reference - high <= extent) high = reference;
  const room = (high - low || extent) * 0.09;
  return [low - room, high + room];
}

/** Whether an axis of this range shows the value. */
export function within(value: number, [low, high]: [number, number]): boolean {
  return value >= low && value <= high;
}
