// Where the labels of a panel go: each takes the corner beside its point where it covers least of
// the lines, the other labels and the frame. Used by core/front/panels.

interface Position {
  x: number;
  y: number;
}

/** A label's text and the point, in the units of the axes, that it names. */
export interface Label extends Position {
  text: string;
  colour: string;
}

/** A label with its offset in pixels and the side of the text that the offset is measured to. */
export interface PlacedLabel extends Label {
  anchor: "start" | "end";
  dx: number;
  dy: number;
}

/** What labels must keep clear of: lines of points, in a frame in pixels over a domain in units. */
export interface Surroundings {
  lines: Position[][];
  domain: { x: [number, number]; y: [number, number] };
  frame: { width: number; height: number };
  fontSize: number;
}

interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const BESIDE = 9; // pixels between a point and its label
const ABOVE = 14;
const SAMPLES = 12; // positions looked at on each piece of a line

/** Chooses a corner for each label in turn; the widths of texts are estimates. */
export function placeLabels(labels: Label[], surroundings: Surroundings): PlacedLabel[] {
  const { domain, frame, fontSize } = surroundings;
  const toPixels = ({ x, y }: Position): Position => ({
    x: ((x - domain.x[0]) / (domain.x[1] - domain.x[0])) * frame.width,
    y: ((domain.y[1] - y) / (domain.y[1] - domain.y[0])) * frame.height,
  });
  const obstacles = surroundings.lines.flatMap((line) => sampled(line.map(toPixels)));
  const taken: Box[] = [];
  return labels.map((label) => {
    const point = toPixels(label);
    const width = label.text.length * fontSize * 0.65;
    const choices = (["start", "end"] as const).flatMap((anchor) =>
      [-ABOVE, ABOVE].map((dy) => {
        const dx = anchor === "start" ? BESIDE : -BESIDE;
        const left = point.x + dx - (anchor === "start" ? 0 : width);
        const middle = point.y + dy;
        const box = {
          left,
          right: left + width,
          top: middle - fontSize / 2,
          bottom: middle + fontSize / 2,
        };
        const cost = obstacles.filter((position) => inside(position, box)).length +
          100 * taken.filter((other) => overlap(box, other)).length +
          1000 * Number(box.left < 0 || box.right > frame.width) +
          1000 * Number(box.top < 0 || box.bottom > frame.height);
        return { placed: { ...label, anchor, dx, dy }, box, cost };
      })
    );
    const best = choices.reduce((a, b) => (b.cost < a.cost ? b : a));
    taken.push(best.box);
    return best.placed;
  });
}

/** Positions along a line through points. */
function sampled(line: Position[]): Position[] {
  return line.flatMap((to, i) => {
    const from = line[i - 1] ?? to;
    return Array.from({ length: SAMPLES }, (_, k) => {
      const share = (k + 1) / SAMPLES;
      return { x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y) };
    });
  });
}

function inside({ x, y }: Position, { left, right, top, bottom }: Box): boolean {
  return x >= left && x <= right && y >= top && y <= bottom;
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
