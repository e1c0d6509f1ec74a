// The picture of a front as one standalone SVG: title, verdict, legend, and a panel for each pair
// of dimensions (core/front/panels); one dimension alone gets a row for each report. Colour shows
// λ: each dimension has a colour, and a point mixes them by its weights.
import { pairsOf } from "./axes.ts";
import { dimensionColour, INK, mixedColour, MUTED, seriesColour } from "./palette.ts";
import { pairPanel, type Series, type Size, valuesPanel } from "./panels.ts";
import { exactShare, type FrontReport } from "./report.ts";

const FONT = "Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif";
const MARGIN = 28;
const ROW_GAP = 14;
const LETTER = 7.3; // pixels, an upper estimate of a letter's mean width

/**
 * The report as an SVG document on a white background, without scripts or outside references.
 * `series` are further reports over the same dimensions, each drawn in one colour under the name
 * of its adapter. Throws TypeError where one has other dimensions or another metric.
 */
export function frontSvg(
  report: FrontReport,
  { series = [] }: { series?: FrontReport[] } = {},
): string {
  for (const other of series) checkComparable(report, other);
  const others = series.map((other, i) => ({
    name: shortened(other.adapter, 40),
    colour: seriesColour(i),
    report: other,
  }));
  const pairs = pairsOf(report.dimensions.length);
  const size = panelSize(pairs.length, others.length);
  const name = shortened(report.adapter, 40);
  const panels = pairs.length === 0
    ? [valuesPanel(report, { name, others, size })]
    : pairs.map((pair) => pairPanel(report, { pair, others, size }));
  const columns = Math.min(3, panels.length);
  const rows = Math.ceil(panels.length / columns);
  const width = columns * size.width + 2 * MARGIN - 8;
  const referenceShown = panels.some((panel) => panel.referenceShown);
  const items = legend(report, { others, referenceShown });
  const head = heading(report, items, width - 2 * MARGIN);
  const height = head.height + rows * (size.height + ROW_GAP);
  const placed = panels.map((panel, i) => {
    const x = MARGIN - 8 + (i % columns) * size.width;
    const y = head.height + Math.floor(i / columns) * (size.height + ROW_GAP);
    return `<g transform="translate(${x} ${y})">${panel.svg}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}" font-family="${FONT}" font-size="13" fill="${INK}" ` +
    `color="${INK}" role="img"><title>${escaped(titleOf(report))}</title>` +
    `<rect width="100%" height="100%" fill="white"/>${head.svg}${placed.join("")}</svg>\n`;
}

function panelSize(pairs: number, others: number): Size {
  if (pairs > 1) return { width: 400, height: 370 };
  return { width: 720, height: pairs === 1 ? 500 : 120 + 44 * (1 + others) };
}

/** Title, verdict, figures and legend as SVG, `height` tall. */
function heading(
  report: FrontReport,
  items: LegendItem[],
  width: number,
): { svg: string; height: number } {
  let y = MARGIN + 14;
  const title = shortened(titleOf(report), width / 10.5);
  const parts = [
    `<text x="${MARGIN}" y="${y}" font-size="18" font-weight="600">${escaped(title)}</text>`,
  ];
  y += 6;
  const columns = width / LETTER;
  for (
    const line of [...wrapped(report.verdict, columns), ...wrapped(figuresOf(report), columns)]
  ) {
    y += 19;
    parts.push(`<text x="${MARGIN}" y="${y}" fill="${MUTED}">${escaped(line)}</text>`);
  }
  if (items.length > 0) y += 27;
  let x = 0;
  for (const { mark, markWidth, text } of items) {
    const itemWidth = markWidth + 8 + LETTER * text.length;
    if (x > 0 && x + itemWidth > width) {
      x = 0;
      y += 20;
    }
    parts.push(
      `<g transform="translate(${MARGIN + x} ${y})">${mark}` +
        `<text x="${markWidth + 8}">${escaped(text)}</text></g>`,
    );
    x += itemWidth + 16;
  }
  return { svg: parts.join(""), height: y + 14 };
}

interface LegendItem {
  mark: string;
  markWidth: number;
  text: string;
}

function legend(
  { dimensions, exact }: FrontReport,
  { others, referenceShown }: { others: Series[]; referenceShown: boolean },
): LegendItem[] {
  const reference = {
    mark: dimensions.length === 1
      ? `<path d="M6,-10 v12" stroke="${INK}" stroke-width="1.5" stroke-dasharray="2 3"/>`
      : `<path d="M2,-8 l8,8 m0,-8 l-8,8" stroke="${INK}" stroke-width="1.5"/>`,
    markWidth: 12,
    text: "reference point",
  };
  const last = referenceShown ? [reference] : [];
  if (dimensions.length === 1) return last; // its rows carry the names
  const items = dimensions.length === 2 ? [scale(dimensions)] : dimensions.map((name, i) => ({
    mark: dot(6, dimensionColour(i)),
    markWidth: 12,
    text: `λ on ${name}`,
  }));
  if (exact !== undefined) items.push(exactItem(dimensions.length));
  for (const { name, colour } of others) {
    const mark =
      `<circle cx="6" cy="-4" r="4" fill="white" stroke="${colour}" stroke-width="1.5"/>`;
    items.push({ mark, markWidth: 12, text: name });
  }
  return [...items, ...last];
}

/** The colours between the two ends of λ. */
function scale(dimensions: string[]): LegendItem {
  const dots = Array.from(
    { length: 7 },
    (_, k) => dot(6 + 13 * k, mixedColour([k / 6, 1 - k / 6])),
  );
  return { mark: dots.join(""), markWidth: 91, text: `λ: ${dimensions[1]} to ${dimensions[0]}` };
}

function exactItem(m: number): LegendItem {
  const text = "exact front";
  return m === 2
    ? {
      mark: `<path d="M0,-4 h30" stroke="${MUTED}" stroke-width="1.5" stroke-dasharray="5 4"/>`,
      markWidth: 30,
      text,
    }
    : {
      mark: `<path d="M6,-9 l4,5 l-4,5 l-4,-5 z" fill="none" stroke="#9aa5b1" stroke-width="1.5"/>`,
      markWidth: 12,
      text,
    };
}

function dot(x: number, colour: string): string {
  return `<circle cx="${x}" cy="-4" r="5" fill="${colour}"/>`;
}

function titleOf({ adapter, dimensions }: FrontReport): string {
  const names = dimensions.length < 2
    ? dimensions.join("")
    : `${dimensions.slice(0, -1).join(", ")} and ${dimensions.at(-1)}`;
  return `Front of ${shortened(adapter, 40)}: ${names}`;
}

function figuresOf({ indicators, exact, settings }: FrontReport): string {
  const reference = indicators.referencePoint.map((value) => Number(value.toPrecision(3)));
  const { resamples, level } = (settings.bootstrap ?? {}) as { resamples?: number; level?: number };
  return [
    `Hypervolume ${Number(indicators.hypervolume.toPrecision(3))} above (${reference.join(", ")})`,
    ...(exact ? [exactShare(exact)] : []),
    ...(resamples && level ? [`bars: ${100 * level} % bootstrap intervals`] : []),
  ].join("; ");
}

function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}

/** The end of a long name, which for a path is the telling part. */
function shortened(text: string, most: number): string {
  const characters = [...text];
  const kept = Math.floor(most);
  return characters.length <= kept ? text : `…${characters.slice(1 - kept).join("")}`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function checkComparable(report: FrontReport, other: FrontReport): void {
  const describe = ({ metric, dimensions }: FrontReport) => `${metric} of ${dimensions.join(", ")}`;
  if (describe(report) !== describe(other)) {
    throw new TypeError(
      `Cannot draw fronts together: expected ${describe(report)}, got ${describe(other)}`,
    );
  }
}
