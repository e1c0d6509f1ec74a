// What is in a data set as text for the terminal: what was read, lengths, labels, repetition and what
// leaks, each with the number that decides whether it matters.
import type { Contradictions, Leakage } from "../core/dataset/duplicates.ts";
import type { DataReport, LabelReport, PartReport } from "../core/dataset/report.ts";
import type { Agreement, LengthBias } from "../core/dataset/labels.ts";
import type { LengthSummary } from "../core/dataset/lengths.ts";
import type { Proportion } from "../core/dataset/proportion.ts";
import { columns, grouped } from "./format.ts";

/** The whole report. */
export function dataText(report: DataReport): string {
  const { train, test, leakage, dimensions } = report;
  return [
    partText("Training data", train, report),
    ...test === null ? [] : [partText("Test data", test, report)],
    ...leakage === null ? [] : [leakageText(leakage)],
    nextText(dimensions, train),
  ].join("\n\n");
}

function partText(title: string, part: PartReport, report: DataReport): string {
  return [
    [`${title}: ${part.dataset}`, ...readLines(part)].join("\n"),
    lengthText(part, report),
    ...part.labels === null ? [] : [labelText(part.labels, report.dimensions)],
    repetitionText(part),
  ].join("\n\n");
}

const reasons: Record<string, string> = {
  twoPrompts: "with two prompts",
  identical: "of two identical responses",
  unlabelled: "without a label",
  silent: "in which the assistant says nothing",
};

function readLines({ files, rows, examples, leftOut, repetition, labels }: PartReport): string[] {
  const what = labels === null ? "dialogues" : "pairs";
  const read = rows === null
    ? `${grouped(examples)} ${what}`
    : `${grouped(rows)} rows in ${counted(files.length, "file")}: ${grouped(examples)} ${what}`;
  const gone = Object.entries(leftOut).filter(([, count]) => count > 0);
  const left = gone.map(([reason, count]) => `${grouped(count)} ${reasons[reason] ?? reason}`);
  return [
    `Read        ${read}, ${counted(repetition.prompts, "prompt")}`,
    ...left.length > 0 ? [`Left out    ${left.join(", ")}`] : [],
    ...labels === null ? [] : [
      `Labels      ${
        Object.entries(labels.counts).map(([name, count]) => `${name} ${grouped(count)}`).join(", ")
      }`,
    ],
  ];
}

function lengthText({ lengths, refused, labels }: PartReport, report: DataReport): string {
  const { model, maxLength, assumedTemplate } = report;
  const row = (name: string, summary: LengthSummary | null) =>
    summary === null ? [] : [[
      name,
      ...[summary.least, summary.median, summary.mean, summary.p90, summary.p99, summary.most]
        .map(grouped),
    ]];
  const head = ["tokens", "least", "median", "mean", "90 %", "99 %", "most"];
  const { overlong, noRoom } = lengths;
  const answer = labels === null ? "answer" : "response";
  return [
    `Lengths in tokens of ${model}${
      assumedTemplate ? ", which has no chat template: with Alpaca's" : ""
    }`,
    columns([
      head,
      ...row("prompt", lengths.prompt),
      ...row(answer, lengths.response),
      ...row("both", lengths.whole),
    ]),
    `longer than max_length ${maxLength}: ${countOf(overlong)}` +
    (overlong.count > 0
      ? "; left out, or with --overlong truncate cut" +
        (noRoom > 0 ? ` but for ${grouped(noRoom)} whose ${answer} alone fills it` : "")
      : ""),
    ...refused.examples > 0
      ? [`refused by the chat template: ${grouped(refused.examples)} (${refused.message})`]
      : [],
  ].join("\n");
}

function labelText(labels: LabelReport, dimensions: string[]): string {
  const parts = [biasText(labels.lengthBias)];
  if (dimensions.length > 1) parts.push(agreementText(labels, dimensions));
  return parts.join("\n\n");
}

function biasText(biases: LengthBias[]): string {
  const rows = biases.map(({ dimension, longerPreferred, equal, preferred, other }) => [
    dimension,
    grouped(longerPreferred.of),
    percent(longerPreferred.share),
    intervalOf(longerPreferred),
    grouped(equal),
    decimal(preferred),
    decimal(other),
    verdictOn(longerPreferred),
  ]);
  const head = [
    "",
    "pairs",
    "longer preferred",
    "95 % interval",
    "equal",
    "preferred",
    "other",
    "",
  ];
  return [
    "Length bias: pairs of two lengths, and mean tokens of preferred and other responses",
    columns([head, ...rows]).replace(/ +$/gm, ""),
  ].join("\n");
}

function verdictOn({ low, high, of }: Proportion): string {
  if (of === 0) return "";
  if (low > 0.5) return "prefers the longer";
  return high < 0.5 ? "prefers the shorter" : "no bias seen";
}

function agreementText({ agreements, conflicts }: LabelReport, dimensions: string[]): string {
  const of = (a: string, b: string): Agreement | undefined =>
    agreements.find(({ dimensions: [first, second] }) =>
      (first === a && second === b) || (first === b && second === a)
    );
  const cell = (a: string, b: string) => {
    const agree = of(a, b)?.agree;
    return agree === undefined || agree.of === 0
      ? "–"
      : `${percent(agree.share)} of ${grouped(agree.of)}`;
  };
  const table = dimensions.map((a) => [a, ...dimensions.map((b) => a === b ? "" : cell(a, b))]);
  return [
    "Agreement: pairs labelled in both dimensions that prefer the same response",
    columns([["", ...dimensions], ...table]).replace(/ +$/gm, ""),
    conflicts.of === 0
      ? "no pair has a label in two dimensions, so that none shows where they disagree"
      : `some two dimensions disagree in ${countOf(conflicts)} of those with two labels or more, ` +
        `95 % interval ${intervalOf(conflicts)}`,
  ].join("\n");
}

function repetitionText({ repetition, labels, examples }: PartReport): string {
  const { copies, prompts, mostRows } = repetition;
  const what = labels === null ? "dialogues" : "pairs";
  return [
    "Repetition",
    `exact copies        ${grouped(copies)} of ${grouped(examples)} ${what}`,
    ...labels === null ? [] : [`labelled both ways  ${contradicted(labels.contradictions)}`],
    `prompts             ${grouped(prompts)}, the commonest in ${
      counted(mostRows, what.slice(0, -1))
    }`,
  ].join("\n");
}

function contradicted({ pairs, rows, dimensions }: Contradictions): string {
  if (pairs === 0) return "none";
  const where = Object.entries(dimensions).filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${grouped(count)}`);
  return `${counted(pairs, "pair")} in ${counted(rows, "row")} (${where.join(", ")})`;
}

function leakageText({ prompts, rows, same, trainRows }: Leakage): string {
  const found = prompts.count === 0 ? [] : [
    `test rows with such a prompt        ${countOf(rows)}`,
    `test rows that training has whole   ${countOf(same)}`,
    `training rows to leave out          ${grouped(trainRows)}`,
  ];
  return [
    "Leakage, letter case and spacing ignored",
    `test prompts that training has too  ${countOf(prompts)}`,
    ...found,
  ].join("\n");
}

function nextText(dimensions: string[], { labels }: PartReport): string {
  const shared = labels !== null && dimensions.length > 1 && labels.conflicts.of === 0
    ? " --vertex_share 0.6"
    : "";
  return `Next     deno task doctor --model … --dataset …   (how it looks to the model)\n` +
    `         deno task train${labels === null ? " sft" : ""} --dataset …${shared}`;
}

function counted(count: number, name: string): string {
  return `${grouped(count)} ${name}${count === 1 ? "" : "s"}`;
}

function countOf({ count, of, share }: Proportion): string {
  return `${grouped(count)} of ${grouped(of)}${of === 0 ? "" : ` (${percent(share)})`}`;
}

function intervalOf({ low, high, of }: Proportion): string {
  return of === 0 ? "–" : `${percent(low)} – ${percent(high)}`;
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "–";
}

function decimal(value: number): string {
  return Number.isFinite(value) ? value.toFixed(1) : "–";
}
