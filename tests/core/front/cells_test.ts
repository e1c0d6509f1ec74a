import assert from "node:assert/strict";
import fc from "fast-check";
import { InputError } from "../../../core/errors.ts";
import { gridCells } from "../../../core/front/cells.ts";
import { latticeGrid } from "../../../core/preference.ts";

const sizes = fc.constantFrom([1, 2], [2, 2], [2, 11], [3, 2], [3, 6], [4, 4], [5, 3], [6, 3]);

Deno.test("gridCells() of two dimensions are the gaps between neighbours", () => {
  const cells = [...gridCells(latticeGrid(2, 4))].map((cell) => cell.sort());
  assert.deepEqual(cells.sort(), [[0, 1], [1, 2], [2, 3]]);
});

Deno.test("gridCells() of three dimensions are triangles, upward and downward", () => {
  // Two steps per edge: three upward triangles at the corners and a downward one between them.
  const grid = latticeGrid(3, 3);
  const cells = [...gridCells(grid)].map((cell) =>
    cell.map((n) => (grid[n] ?? []).map((weight) => 2 * weight).join("")).sort().join(" ")
  );
  assert.deepEqual(cells.sort(), ["002 011 101", "011 020 110", "011 101 110", "101 110 200"]);
});

Deno.test("gridCells() fill the simplex: (steps)^(M−1) of them, of equal size", () => {
  fc.assert(fc.property(sizes, ([m = 1, points = 2]) => {
    const grid = latticeGrid(m, points);
    const cells = [...gridCells(grid)];
    assert.equal(cells.length, (points - 1) ** (m - 1));
    assert.equal(new Set(cells.map((cell) => cell.sort().join())).size, cells.length);
    for (const cell of cells) {
      const [first = [], ...others] = cell.map((n) => grid[n] ?? []);
      const edges = others.map((corner) =>
        corner.slice(1).map((weight, i) => (weight - (first[i + 1] ?? 0)) * (points - 1))
      );
      assert.ok(Math.abs(Math.abs(determinant(edges)) - 1) < 1e-9);
    }
  }));
});

Deno.test("gridCells() hold every place of the simplex: in one cell, or between cells", () => {
  const place = fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), {
    minLength: 4,
    maxLength: 4,
  });
  const grid = latticeGrid(4, 4);
  const cells = [...gridCells(grid)];
  fc.assert(fc.property(place, (weights) => {
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const preference = weights.map((weight) => weight / sum);
    const holding = cells.filter((cell) => {
      const corners = cell.map((n) => grid[n] ?? []);
      return shares(corners, preference).every((share) => share > -1e-9);
    });
    assert.ok(holding.length >= 1);
    const inside = cells.filter((cell) =>
      shares(cell.map((n) => grid[n] ?? []), preference).every((share) => share > 1e-9)
    );
    assert.ok(inside.length <= 1);
  }));
});

Deno.test("gridCells() leaves out cells whose corners were not measured", () => {
  const grid = latticeGrid(2, 5);
  assert.equal([...gridCells(grid.filter((_, n) => n !== 2))].length, 2);
});

Deno.test("gridCells() refuses preferences that are on no grid", () => {
  assert.throws(() => [...gridCells([[0.3, 0.7], [0.55, 0.45]])], InputError);
});

/** Shares t of the corners with Σ t = 1 and Σ t · corner = place, by Cramer's rule. */
function shares(corners: number[][], place: number[]): number[] {
  // The corners' weights sum to 1, so the matrix of corners alone says both.
  const whole = determinant(corners);
  return corners.map((_, k) =>
    determinant(corners.map((corner, n) => (n === k ? place : corner))) / whole
  );
}

function determinant(rows: number[][]): number {
  if (rows.length === 0) return 1;
  return rows.reduce((sum, row, k) => {
    const minor = rows.filter((_, n) => n !== k).map((other) => other.slice(1));
    return sum + (k % 2 === 0 ? 1 : -1) * (row[0] ?? 0) * determinant(minor);
  }, 0);
}
