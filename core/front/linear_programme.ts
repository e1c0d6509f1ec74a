// A small linear programme, solved exactly up to rounding: goal.ts finds the best place in one cell
// of the front with it. Dictionary form of the simplex method with an auxiliary variable for the
// start and Bland's rule, which cannot cycle (Chvátal, Linear Programming, 1983, chapters 2 and 3).

const TOLERANCE = 1e-12;
const MOST_PIVOTS = 10_000;

/** Maximise c · x subject to A x ≤ b and x ≥ 0. */
export interface LinearProgramme {
  c: number[]; // (N)
  A: number[][]; // (K, N)
  b: number[]; // (K)
}

/** x_basic = constants − coefficients · x_free, and the objective in the same terms. */
interface Dictionary {
  basic: number[]; // (K) names of the variables on the left
  free: number[]; // (N) names of those on the right, which are 0
  rows: { constant: number; coefficients: number[] }[]; // (K)
  objective: number[]; // (N) gain of each free variable
}

/**
 * An optimal x (N), or null where no x fits. Numbers should be of the order of 1. Throws RangeError
 * for an objective without a bound.
 */
export function solveLinearProgramme({ c, A, b }: LinearProgramme): number[] | null {
  const n = c.length;
  const dictionary: Dictionary = {
    basic: b.map((_, k) => n + k),
    free: c.map((_, i) => i),
    rows: b.map((constant, k) => ({ constant, coefficients: [...A[k] ?? []] })),
    objective: [...c],
  };
  if (b.some((value) => value < 0) && !findStart(dictionary, c)) return null;
  improve(dictionary);
  const x = new Array<number>(n).fill(0);
  for (const [k, name] of dictionary.basic.entries()) {
    if (name < n) x[name] = Math.max(0, dictionary.rows[k]?.constant ?? 0);
  }
  return x;
}

/** Pivots to a dictionary whose constants are ≥ 0; false where there is none. */
function findStart(dictionary: Dictionary, c: number[]): boolean {
  // The auxiliary variable is how far every row may be overstepped: made as small as it can be.
  const auxiliary = -1; // the least name, so that Bland's rule lets it leave first
  const { basic, free, rows } = dictionary;
  free.push(auxiliary);
  for (const { coefficients } of rows) coefficients.push(-1);
  dictionary.objective = free.map((name) => (name === auxiliary ? -1 : 0));
  const worst = rows.reduce(
    (least, { constant }, k) => constant < (rows[least]?.constant ?? 0) ? k : least,
    0,
  );
  pivot(dictionary, { leaving: worst, entering: free.indexOf(auxiliary) });
  improve(dictionary);
  const row = basic.indexOf(auxiliary);
  if (row >= 0) {
    if ((rows[row]?.constant ?? 0) > TOLERANCE) return false;
    const coefficients = rows[row]?.coefficients ?? [];
    const sizes = coefficients.map(Math.abs);
    pivot(dictionary, { leaving: row, entering: sizes.indexOf(Math.max(...sizes)) });
  }
  const column = free.indexOf(auxiliary);
  free.splice(column, 1);
  for (const { coefficients } of rows) coefficients.splice(column, 1);
  // The objective in terms of what is free now.
  dictionary.objective = free.map((name, j) =>
    basic.reduce(
      (gain, other, k) => gain - (c[other] ?? 0) * (rows[k]?.coefficients[j] ?? 0),
      c[name] ?? 0,
    )
  );
  return true;
}

/** Pivots until no free variable gains. */
function improve(dictionary: Dictionary): void {
  const { basic, free, rows, objective } = dictionary;
  for (let pivots = 0; pivots < MOST_PIVOTS; pivots++) {
    const entering = smallestName(free, (j) => (objective[j] ?? 0) > TOLERANCE);
    if (entering < 0) return;
    const ratio = (k: number) => {
      const { constant = 0, coefficients = [] } = rows[k] ?? {};
      const coefficient = coefficients[entering] ?? 0;
      return coefficient > TOLERANCE ? Math.max(0, constant) / coefficient : Infinity;
    };
    const least = Math.min(...rows.map((_, k) => ratio(k)));
    if (least === Infinity) {
      throw new RangeError("Cannot solve the linear programme: expected a bounded one, got none");
    }
    const leaving = smallestName(basic, (k) => ratio(k) <= least + TOLERANCE);
    pivot(dictionary, { leaving, entering });
  }
  throw new RangeError(`Cannot solve the linear programme: expected at most ${MOST_PIVOTS} pivots`);
}

/** Position of the smallest name among those that pass; −1 where none does. */
function smallestName(names: number[], passes: (position: number) => boolean): number {
  return names.reduce(
    (best, name, i) => passes(i) && (best < 0 || name < (names[best] ?? 0)) ? i : best,
    -1,
  );
}

/** Exchanges a basic variable (by row) for a free one (by column). */
function pivot(
  { basic, free, rows, objective }: Dictionary,
  { leaving, entering }: { leaving: number; entering: number },
): void {
  const row = rows[leaving];
  if (row === undefined) return;
  const by = row.coefficients[entering] ?? 1;
  row.constant /= by;
  row.coefficients = row.coefficients.map((value, j) => (j === entering ? 1 : value) / by);
  for (const other of rows) {
    if (other === row) continue;
    const factor = other.coefficients[entering] ?? 0;
    other.constant -= factor * row.constant;
    other.coefficients = eliminate(other.coefficients, factor, { row: row.coefficients, entering });
  }
  const gain = objective[entering] ?? 0;
  objective.splice(
    0,
    objective.length,
    ...eliminate(objective, gain, { row: row.coefficients, entering }),
  );
  const name = basic[leaving] ?? 0;
  basic[leaving] = free[entering] ?? 0;
  free[entering] = name;
}

function eliminate(
  values: number[],
  factor: number,
  { row, entering }: { row: number[]; entering: number },
): number[] {
  return values.map((value, j) => (j === entering ? 0 : value) - factor * (row[j] ?? 0));
}
