// The shapes of a picture's points: a front beside another has one of its own, so that fronts can be
// told apart without their colours. Shared by the picture (panels, svg) and the page's plot.

/** Names of shapes, which Observable Plot knows by the same names. */
export type Shape = "circle" | "square" | "triangle" | "diamond";

const SHAPES: Shape[] = ["circle", "square", "triangle", "diamond"];

/** The shape of the `i`-th further report in a picture. */
export function seriesShape(i: number): Shape {
  return SHAPES[i % SHAPES.length] ?? "circle";
}

/** The outline of a shape around the origin as SVG path data, about `r` pixels from its middle. */
export function shapePath(shape: Shape, r: number): string {
  const n = (value: number) => Number(value.toFixed(2));
  const outlines: Record<Shape, () => string> = {
    circle: () =>
      `M${n(-r)},0a${n(r)},${n(r)} 0 1,0 ${n(2 * r)},0a${n(r)},${n(r)} 0 1,0 ${n(-2 * r)},0z`,
    square: () => `M${n(-0.9 * r)},${n(-0.9 * r)}h${n(1.8 * r)}v${n(1.8 * r)}h${n(-1.8 * r)}z`,
    triangle: () => `M0,${n(-1.3 * r)}l${n(1.2 * r)},${n(2.1 * r)}h${n(-2.4 * r)}z`,
    diamond: () =>
      `M0,${n(-1.35 * r)}l${n(1.1 * r)},${n(1.35 * r)}l${n(-1.1 * r)},${n(1.35 * r)}l${
        n(-1.1 * r)
      },${n(-1.35 * r)}z`,
  };
  return outlines[shape]();
}
