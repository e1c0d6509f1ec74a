// Marks that the pictures of fronts share: the reference point, and names beside points.
import * as Plot from "@observablehq/plot";
import type { placeLabels } from "./labels.ts";
import { INK } from "./palette.ts";

const at = { x: "x", y: "y" };

/** The point that hypervolume is measured from. */
export function referenceMark(reference: { x: number; y: number }): Plot.Markish {
  return Plot.dot([reference], { ...at, symbol: "times", stroke: INK, r: 5 });
}

/** Names in the colours of their points, where placeLabels put them. */
export function labelMarks(labels: ReturnType<typeof placeLabels>): Plot.Markish[] {
  return labels.map(({ anchor, dx, dy, ...label }) =>
    Plot.text([label], {
      ...at,
      text: "text",
      fill: "colour",
      fontWeight: "bold",
      textAnchor: anchor,
      dx,
      dy,
      stroke: "white",
      strokeWidth: 4,
    })
  );
}
