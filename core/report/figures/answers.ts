// Figures 6 and 8: what one adapter answers to the same prompts under several λ. The page shows them
// as tables (core/report/html); here they become pictures, for where a picture is wanted.
import { mixedColour, MUTED } from "../../front/palette.ts";
import { drawSheet } from "../../front/sheet.ts";
import { escaped } from "../markup.ts";
import type { Sample } from "../results.ts";
import type { Figure } from "./figure.ts";
import type { Width } from "./fronts.ts";

const LINE = 19; // pixels
const LETTER = 7.2;
const HEAD = 18;

/** Figure 6: the two ends of λ. */
export const answersAtEnds: Figure = {
  heading: "Figure 6: answers at the two ends of λ",
  caption: () =>
    "Greedy answers to the same prompt with all weight on one dimension. In the paper the model " +
    "warns and refuses at one end and explains at the other.",
  draw: ({ results }, width) =>
    draw(results.samples.map(onlyEnds), { title: "Answers at both ends", width }),
};

/** Figure 8: five λ. */
export const answersAlong: Figure = {
  heading: "Figure 8: answers along λ",
  caption: () => "The same with λ moving from one end to the other in steps.",
  draw: ({ results }, width) => draw(results.samples, { title: "Answers along λ", width }),
};

/** The answers with all weight on one dimension. */
export function onlyEnds(sample: Sample): Sample {
  return {
    ...sample,
    answers: sample.answers.filter(({ preference }) => preference.includes(1)),
  };
}

function draw(
  samples: Sample[],
  { title, width }: { title: string; width: Width },
): string | null {
  const shown = samples.filter(({ answers }) => answers.length > 0);
  if (shown.length === 0) return null;
  const pixels = width === "wide" ? 760 : 316;
  const panels = shown.map((sample) => samplePanel(sample, pixels));
  const height = Math.max(...panels.map((panel) => panel.height));
  return drawSheet({
    title,
    lines: [],
    legend: [],
    panels: panels.map(({ svg }) => svg),
    size: { width: pixels, height },
    columns: 1,
  });
}

function samplePanel({ prompt, answers }: Sample, width: number): { svg: string; height: number } {
  const columns = Math.floor((width - HEAD) / LETTER);
  const parts: string[] = [];
  let y = LINE;
  for (const line of wrapped(prompt, columns)) {
    parts.push(text(line, { x: 0, y, bold: true }));
    y += LINE;
  }
  for (const { preference, answer } of answers) {
    y += 6;
    const top = y - 13;
    parts.push(text(`λ = ${preference.map(weightText).join(", ")}`, { x: HEAD, y, colour: MUTED }));
    for (const line of wrapped(answer, columns)) {
      y += LINE;
      parts.push(text(line, { x: HEAD, y }));
    }
    parts.push(
      `<rect x="0" y="${top}" width="6" height="${y - top + 4}" rx="3" ` +
        `fill="${mixedColour(preference)}"/>`,
    );
    y += LINE;
  }
  return { svg: parts.join(""), height: y };
}

/** A weight of λ with as few digits as it needs. */
export function weightText(weight: number): string {
  return String(Number(weight.toFixed(2)));
}

function text(
  content: string,
  { x, y, bold = false, colour }: { x: number; y: number; bold?: boolean; colour?: string },
): string {
  const style = `${bold ? ' font-weight="600"' : ""}${colour ? ` fill="${colour}"` : ""}`;
  return `<text x="${x}" y="${y}"${style}>${escaped(content)}</text>`;
}

function wrapped(content: string, columns: number): string[] {
  return content.split("\n").flatMap((paragraph) => {
    const lines: string[] = [""];
    for (const word of paragraph.split(" ")) {
      const last = lines.at(-1) ?? "";
      if (last !== "" && last.length + 1 + word.length > columns) lines.push(word);
      else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
    }
    return lines;
  });
}
