// The shape of a front of two dimensions: how far its points lie below their upper convex hull. A
// front that linear scalarisation can reach whole has none (proposition 4.4 of the paper).

/**
 * The largest depth of a point (N, 2) below the upper right convex hull of all points, measured
 * along both axes after each was scaled to the points' span: 0 for a convex front. 0 for fewer than
 * three points.
 */
export function hullGap(points: number[][]): number {
  if (points.length < 3) return 0;
  const scaled = scaleToSpan(points);
  const hull = upperHull(scaled);
  return Math.max(0, ...scaled.map((point) => depthBelow(hull, point)));
}

type Point = [x: number, y: number];

function scaleToSpan(points: number[][]): Point[] {
  const ends = [0, 1].map((i) => {
    const values = points.map((point) => point[i] ?? NaN);
    const least = Math.min(...values);
    return { least, extent: Math.max(...values) - least || 1 };
  });
  const scale = (point: number[], i: number) => {
    const { least = 0, extent = 1 } = ends[i] ?? {};
    return ((point[i] ?? NaN) - least) / extent;
  };
  return points.map((point) => [scale(point, 0), scale(point, 1)]);
}

/** The corners of the upper hull from left to right (Andrew's monotone chain). */
function upperHull(points: Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const hull: Point[] = [];
  for (const point of sorted) {
    while (hull.length > 1 && !turnsRight(hull.at(-2) ?? point, hull.at(-1) ?? point, point)) {
      hull.pop();
    }
    hull.push(point);
  }
  // Left of its highest corner the hull falls towards the origin: a front ends there.
  const top = hull.reduce((best, [, y], k) => (y > (hull[best]?.[1] ?? 0) ? k : best), 0);
  return hull.slice(top);
}

function turnsRight(a: Point, b: Point, c: Point): boolean {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) < 0;
}

/** The distance along the diagonal, in spans, by which a point lies inside the hull. */
function depthBelow(hull: Point[], [x, y]: Point): number {
  const depths = hull.map(([cornerX, cornerY], k) => {
    const next = hull[k + 1];
    if (next === undefined) return cornerX - x; // right of the last corner: straight down
    const [dx, dy] = [next[0] - cornerX, next[1] - cornerY];
    // (x + t, y + t) on the line through the two corners; dy ≤ 0 < dx, so the divisor is positive.
    return (dx * (cornerY - y) - dy * (cornerX - x)) / (dx - dy);
  });
  const [first] = hull;
  return Math.min(...depths, first === undefined ? Infinity : Math.max(first[1] - y, 0));
}
