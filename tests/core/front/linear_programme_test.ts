import assert from "node:assert/strict";
import fc from "fast-check";
import { solveLinearProgramme } from "../../../core/front/linear_programme.ts";
import { assertNear } from "../../near.ts";

Deno.test("solveLinearProgramme() of hand-worked programmes", () => {
  // max 5x + 4y + 3z, 2x + 3y + z ≤ 5, 4x + y + 2z ≤ 11, 3x + 4y + 2z ≤ 8 (Chvátal, chapter 2):
  // optimum 13 at (2, 0, 1)
  const x = solveLinearProgramme({
    c: [5, 4, 3],
    A: [[2, 3, 1], [4, 1, 2], [3, 4, 2]],
    b: [5, 11, 8],
  });
  assertNear(x ?? [], [2, 0, 1]);
  // max x − y + z, 2x − y + 2z ≤ 4, 2x − 3y + z ≤ −5, −x + y − 2z ≤ −1 (Chvátal, chapter 3): the
  // start does not fit; optimum 3/5 at (0, 14/5, 17/5)
  const y = solveLinearProgramme({
    c: [1, -1, 1],
    A: [[2, -1, 2], [2, -3, 1], [-1, 1, -2]],
    b: [4, -5, -1],
  });
  assertNear(y ?? [], [0, 2.8, 3.4]);
});

Deno.test("solveLinearProgramme() says that nothing fits, or that there is no bound", () => {
  assert.equal(solveLinearProgramme({ c: [1], A: [[1], [-1]], b: [1, -2] }), null); // x ≤ 1, x ≥ 2
  assert.throws(() => solveLinearProgramme({ c: [1], A: [[-1]], b: [0] }), RangeError);
  assert.deepEqual(solveLinearProgramme({ c: [], A: [[]], b: [1] }), []);
  assert.equal(solveLinearProgramme({ c: [], A: [[]], b: [-1] }), null);
});

Deno.test("solveLinearProgramme() ends on Beale's programme, which cycles without Bland's rule", () => {
  const x = solveLinearProgramme({
    c: [0.75, -150, 0.02, -6],
    A: [[0.25, -60, -1 / 25, 9], [0.5, -90, -1 / 50, 3], [0, 0, 1, 0]],
    b: [0, 0, 1],
  });
  assertNear([0.75 * (x?.[0] ?? NaN) + 0.02 * (x?.[2] ?? NaN)], [0.05]);
});

Deno.test("solveLinearProgramme() is feasible and not worse than any of many random places", () => {
  const number = fc.integer({ min: -6, max: 6 }).map((k) => k / 4);
  const programme = fc.integer({ min: 1, max: 4 }).chain((n) =>
    fc.record({
      c: fc.array(number, { minLength: n, maxLength: n }),
      A: fc.array(fc.array(number, { minLength: n, maxLength: n }), { maxLength: 3 }),
      seeds: fc.array(
        fc.array(fc.integer({ min: 0, max: 8 }), { minLength: n + 1, maxLength: n + 1 }),
        { minLength: 30, maxLength: 30 },
      ),
    }).chain((parts) =>
      fc.array(number, { minLength: parts.A.length, maxLength: parts.A.length })
        .map((b) => ({ ...parts, b }))
    )
  );
  const dot = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + v * (b[i] ?? 0), 0);
  fc.assert(
    fc.property(programme, ({ c, A, b, seeds }) => {
      const bounded = { c, A: [...A, c.map(() => 1)], b: [...b, 1] }; // Σ x ≤ 1, as in a cell
      const x = solveLinearProgramme(bounded);
      const fits = (y: number[]) => bounded.A.every((row, k) => dot(row, y) <= (bounded.b[k] ?? 0));
      const places = seeds.map((parts) => {
        const sum = parts.reduce((total, part) => total + part, 0) || 1;
        return parts.slice(1).map((part) => part / sum);
      }).filter(fits);
      if (x === null) return assert.deepEqual(places, []);
      for (const [k, row] of bounded.A.entries()) {
        assert.ok(dot(row, x) <= (bounded.b[k] ?? 0) + 1e-9);
      }
      assert.ok(x.every((value) => value >= 0));
      for (const place of places) assert.ok(dot(c, place) <= dot(c, x) + 1e-9);
    }),
    { numRuns: 2000 },
  );
});
