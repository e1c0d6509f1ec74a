// A picture around its panels: title, lines of text and legend above rows of panels, as one
// standalone SVG document on a white background, without scripts or outside references. Used by
// core/front/svg for fronts and by core/front/distribution_svg for the rewards behind them.
import { INK, MUTED } from "./palette.ts";

const FONT = "Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif";
const MARGIN = 28;
const ROW_GAP = 14;
const LETTER = 7.3; // pixels, an upper estimate of a letter's mean width

/** Width and height in pixels. */
export interface Size {
  width: number;
  height: number;
}

/** An entry of a legend: a mark on the base line from x = 0 on, and its text. */
export interface LegendItem {
  mark: string;
  markWidth: number;
  text: string;
}

/** What a sheet shows; `panels` are SVG groups of the same size, in rows of at most `columns`. */
export interface Sheet {
  title: string;
  lines: string[];
  legend: LegendItem[];
  panels: string[];
  size: Size;
  columns?: number;
}

/** The sheet as an SVG document. Texts are escaped here; marks and panels are SVG already. */
export function drawSheet(
  { title, lines, legend, panels, size, columns: most = 3 }: Sheet,
): string {
  const columns = Math.min(most, panels.length);
  const rows = Math.ceil(panels.length / columns);
  const width = columns * size.width + 2 * MARGIN - 8;
  const head = heading({ title, lines, legend }, width - 2 * MARGIN);
  const height = head.height + rows * (size.height + ROW_GAP);
  const placed = panels.map((panel, i) => {
    const x = MARGIN - 8 + (i % columns) * size.width;
    const y = head.height + Math.floor(i / columns) * (size.height + ROW_GAP);
    return `<g transform="translate(${x} ${y})">${panel}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}" font-family="${FONT}" font-size="13" fill="${INK}" ` +
    `color="${INK}" role="img"><title>${escaped(title)}</title>` +
    `<rect width="100%" height="100%" fill="white"/>${head.svg}${placed.join("")}</svg>\n`;
}

/** Title, lines and legend as SVG, `height` tall. */
function heading(
  { title, lines, legend }: Pick<Sheet, "title" | "lines" | "legend">,
  width: number,
): { svg: string; height: number } {
  let y = MARGIN + 14;
  const parts = [
    `<text x="${MARGIN}" y="${y}" font-size="18" font-weight="600">` +
    `${escaped(shortened(title, width / 10.5))}</text>`,
  ];
  y += 6;
  for (const line of lines.flatMap((line) => wrapped(line, width / LETTER))) {
    y += 19;
    parts.push(`<text x="${MARGIN}" y="${y}" fill="${MUTED}">${escaped(line)}</text>`);
  }
  if (legend.length > 0) y += 27;
  let x = 0;
  for (const { mark, markWidth, text } of legend) {
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
export function shortened(text: string, most: number): string {
  const characters = [...text];
  const kept = Math.floor(most);
  return characters.length <= kept ? text : `…${characters.slice(1 - kept).join("")}`;
}

/** Names as a phrase: "a", "a and b", "a, b and c". */
export function listed(names: string[]): string {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
