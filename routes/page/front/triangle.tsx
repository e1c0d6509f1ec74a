/** @jsxImportSource preact */
// λ of three dimensions as a place in a triangle: each corner is all weight on one dimension. For
// the pointer and the arrow keys; the sliders beside it say and set the same.
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { dimensionColour, mixedColour } from "../../../core/front/palette.ts";
import { describePreference, roundPreference } from "./preference.ts";

type Corner = [x: number, y: number];

const WIDTH = 260;
const HEIGHT = 236;
/** Corners in pixels: the first dimension on top, the others below. */
const CORNERS: [Corner, Corner, Corner] = [[130, 26], [32, 196], [228, 196]];
/** Names of the lower corners end at the edges, where long ones have room. */
const NAMES = [
  { x: WIDTH / 2, y: 12, anchor: "middle" },
  { x: 2, y: 222, anchor: "start" },
  { x: WIDTH - 2, y: 222, anchor: "end" },
] as const;
const GRID = 10; // dots along an edge, less one
const KEY_STEP = 0.02;

export function Triangle({ dimensions, preference, onChange }: {
  dimensions: string[];
  preference: number[];
  onChange: (preference: number[]) => void;
}) {
  const svg = useRef<SVGSVGElement>(null);
  const dragging = useSignal(false);
  const [x, y] = placeOf(preference);

  function choose(event: PointerEvent) {
    const box = svg.current?.getBoundingClientRect();
    if (!box || box.width === 0) return;
    const scale = WIDTH / box.width;
    onChange(
      roundPreference(
        weightsAt((event.clientX - box.left) * scale, (event.clientY - box.top) * scale),
      ),
    );
  }

  function nudge(event: KeyboardEvent) {
    const towards: Record<string, [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const direction = towards[event.key];
    if (direction === undefined) return;
    event.preventDefault();
    const [dx, dy] = direction;
    const length = KEY_STEP * (CORNERS[2][0] - CORNERS[1][0]);
    onChange(roundPreference(weightsAt(x + dx * length, y + dy * length)));
  }

  return (
    <svg
      ref={svg}
      class="triangle"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="group"
      aria-label="λ as a place in a triangle"
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        dragging.value = true;
        event.currentTarget.setPointerCapture(event.pointerId);
        choose(event);
      }}
      onPointerMove={(event) => {
        if (dragging.value) choose(event);
      }}
      onPointerUp={() => dragging.value = false}
      onPointerCancel={() => dragging.value = false}
    >
      <path class="edge" d={`M${CORNERS.map((corner) => corner.join()).join("L")}z`} />
      <g aria-hidden="true">
        {dots.map((weights) => {
          const [cx, cy] = placeOf(weights);
          return <circle key={weights.join()} cx={cx} cy={cy} r={4} fill={mixedColour(weights)} />;
        })}
        {dimensions.map((name, i) => (
          <text
            key={name}
            class="dimension-name"
            x={NAMES[i]?.x}
            y={NAMES[i]?.y}
            text-anchor={NAMES[i]?.anchor}
            style={{ "--dimension": dimensionColour(i) }}
          >
            {name}
          </text>
        ))}
      </g>
      <circle
        class="handle"
        cx={x}
        cy={y}
        r={10}
        fill={mixedColour(preference)}
        role="slider"
        tabindex={0}
        aria-label={`λ between ${dimensions.join(", ")}; arrow keys move it`}
        aria-valuemin={0}
        aria-valuemax={1}
        aria-valuenow={preference[0]}
        aria-valuetext={describePreference(preference, dimensions)}
        onKeyDown={nudge}
      />
    </svg>
  );
}

const dots = Array.from(
  { length: GRID + 1 },
  (_, a) =>
    Array.from({ length: GRID - a + 1 }, (_, b) => [a / GRID, b / GRID, (GRID - a - b) / GRID]),
).flat();

function placeOf(weights: number[]): Corner {
  const along = (axis: 0 | 1) =>
    CORNERS.reduce((sum, corner, i) => sum + corner[axis] * (weights[i] ?? 0), 0);
  return [along(0), along(1)];
}

/** Barycentric weights of a place; from outside the triangle, cut off at 0 and shared out again. */
function weightsAt(x: number, y: number): number[] {
  const [[x1, y1], [x2, y2], [x3, y3]] = CORNERS;
  const area = (y2 - y3) * (x1 - x3) + (x3 - x2) * (y1 - y3);
  const first = ((y2 - y3) * (x - x3) + (x3 - x2) * (y - y3)) / area;
  const second = ((y3 - y1) * (x - x3) + (x1 - x3) * (y - y3)) / area;
  const weights = [first, second, 1 - first - second].map((weight) => Math.max(0, weight));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}
