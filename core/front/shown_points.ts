// Which points of a front a picture of histograms shows: shared by core/front/distribution_svg and the
// page.
import type { FrontReport } from "./report.ts";

const MOST_ROWS = 11;

/**
 * Which points (their places in the report) a picture shows: evenly spaced along λ for two
 * dimensions; for more the corners and the point nearest to equal weights.
 */
export function shownPoints({ points, dimensions }: Pick<FrontReport, "points" | "dimensions">) {
  const m = dimensions.length;
  const places = points.map((_, n) => n);
  if (m <= 2) {
    const weight = (n: number) => points[n]?.preference[0] ?? 0;
    const ordered = places.sort((a, b) => weight(a) - weight(b));
    if (ordered.length <= MOST_ROWS) return ordered;
    const stride = (ordered.length - 1) / (MOST_ROWS - 1);
    return Array.from({ length: MOST_ROWS }, (_, k) => ordered[Math.round(k * stride)] ?? 0);
  }
  const wanted = [
    ...dimensions.map((_, i) => dimensions.map((_, j) => (i === j ? 1 : 0))),
    dimensions.map(() => 1 / m),
  ];
  const distance = (n: number, to: number[]) =>
    Math.hypot(...to.map((weight, j) => weight - (points[n]?.preference[j] ?? 0)));
  const nearest = wanted.map((to) =>
    places.reduce((best, n) => (distance(n, to) < distance(best, to) ? n : best), 0)
  );
  return [...new Set(nearest)];
}
