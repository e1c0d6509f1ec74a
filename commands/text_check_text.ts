// How a data set looks to a model, as text for the terminal: examples with what is learned of them in
// colour, or in double brackets where there is no colour, and what is wrong below them.
import type { Segment, ShownExample, ShownSequence, TextReport } from "../workers/text_check.ts";
import { withoutControls } from "./chat_text.ts";
import { grouped } from "./format.ts";

const MOST_SHOWN = 800; // characters of a stretch
const GREEN = "\x1b[32m";
const PLAIN = "\x1b[0m";

/** The whole report; `colour`: with escape codes of a terminal. */
export function textCheckText(report: TextReport, { colour }: { colour: boolean }): string {
  const { model, dataset, examples, warnings, templateHash, endToken } = report;
  const learned = colour ? `${GREEN}green${PLAIN}` : "[[in double brackets]]";
  return [
    `Data     ${dataset}`,
    `Model    ${model}, chat template ${
      templateHash?.slice(0, 12) ?? "none"
    }, end token ${endToken}`,
    "",
    `What is learned is ${learned}, the rest is only read`,
    ...examples.flatMap((example) => ["", exampleText(example, colour)]),
    ...examples.length === 0 ? ["", "No example fits into max_length"] : [],
    "",
    ...warnings.length === 0
      ? ["Nothing wrong was found"]
      : ["Warnings", ...warnings.map(({ message }) => `  ${withoutControls(message)}`)],
  ].join("\n");
}

function exampleText({ number, sequences }: ShownExample, colour: boolean): string {
  const [first] = sequences;
  return sequences.map((sequence) => {
    const { title, tokens, learned } = sequence;
    const shares = sequence !== first && isSame(sequence.segments[0], first?.segments[0]);
    const name = [`Example ${number}`, ...title === "" ? [] : [title]].join(", ");
    return `${name} (${grouped(tokens)} tokens, ${grouped(learned)} learned)\n` +
      indented(sequenceText(sequence, { colour, shares }));
  }).join("\n");
}

/** A sequence; `shares`: what it begins with was shown already. */
function sequenceText(
  { segments }: ShownSequence,
  { colour, shares }: { colour: boolean; shares: boolean },
): string {
  return segments.map(({ text, learned }, i) => {
    if (i === 0 && shares) return "… ";
    const shown = cut(withoutControls(text));
    if (!learned) return shown;
    return colour ? `${GREEN}${shown}${PLAIN}` : `[[${shown}]]`;
  }).join("");
}

function isSame(a: Segment | undefined, b: Segment | undefined): boolean {
  return a !== undefined && !a.learned && a.learned === b?.learned && a.text === b.text;
}

function cut(text: string): string {
  if (text.length <= MOST_SHOWN) return text;
  const half = MOST_SHOWN / 2;
  const left = grouped(text.length - MOST_SHOWN);
  return `${text.slice(0, half)} … (${left} characters) … ${text.slice(-half)}`;
}

function indented(text: string): string {
  return text.split("\n").map((line) => `  ${line}`).join("\n");
}
