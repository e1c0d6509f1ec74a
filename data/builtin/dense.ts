// The few products and the one solver that the exact optimum of the built-in world needs
// (tabular_dpo.ts): systems of 6 answers or M dimensions, in double precision.

/** X of A·X = B, A (n, n), B (n, c), by Gaussian elimination with row pivoting. */
export function solveDense(matrix: number[][], rightSides: number[][]): number[][] {
  const rows = matrix.map((row, i) => [...row, ...(rightSides[i] ?? [])]);
  const n = rows.length;
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let row = column + 1; row < n; row++) {
      if (Math.abs(rows[row]?.[column] ?? 0) > Math.abs(rows[pivot]?.[column] ?? 0)) pivot = row;
    }
    const pivotRow = rows[pivot] ?? [];
    rows[pivot] = rows[column] ?? [];
    rows[column] = pivotRow.map((value) => value / (pivotRow[column] ?? 0));
    for (let row = 0; row < n; row++) {
      const factor = rows[row]?.[column] ?? 0;
      if (row === column || factor === 0) continue;
      rows[row] = (rows[row] ?? []).map((value, k) => value - factor * (rows[column]?.[k] ?? 0));
    }
  }
  return rows.map((row) => row.slice(n));
}

/** X·Y. */
export function matrixProduct(left: number[][], right: number[][]): number[][] {
  return left.map((row) =>
    (right[0] ?? []).map((_, j) =>
      row.reduce((sum, value, k) => sum + value * (right[k]?.[j] ?? 0), 0)
    )
  );
}

/** Σ_i weights_i · rows_i. */
export function weightedSum(rows: Float64Array[], weights: number[]): Float64Array {
  const sum = new Float64Array(rows[0]?.length ?? 0);
  rows.forEach((row, i) =>
    row.forEach((value, index) => sum[index] = (sum[index] ?? 0) + value * (weights[i] ?? 0))
  );
  return sum;
}

/** Σ left·right. */
export function dot(left: ArrayLike<number>, right: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < left.length; i++) sum += (left[i] ?? 0) * (right[i] ?? 0);
  return sum;
}

/** The largest magnitude. */
export function largest(values: Float64Array): number {
  return values.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
}
