// The report as one HTML file that opens without a network: no script, no outside reference, figures
// as inline SVG, each drawn for a wide and for a narrow window. Last stage of the report.
import { figure as short } from "../front/render.ts";
import { mixedColour } from "../front/palette.ts";
import { metrics } from "../front/report.ts";
import { type Finding, verdicts } from "./claims.ts";
import { type FigureName, figureNames } from "./figure_names.ts";
import { onlyEnds, weightText } from "./figures/answers.ts";
import { figures } from "./figures/mod.ts";
import { escaped } from "./markup.ts";
import { drawFigures, type Report } from "./report.ts";
import { families, type Method, type RunRecord, type Sample } from "./results.ts";
import type { SeedInterval } from "./statistics.ts";
import { style } from "./style.ts";
import { measures, type MethodSummary } from "./summary.ts";

/** Nothing but what the file itself holds may be loaded, and no script runs. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** Figures that the page shows as text. */
const texts: Partial<Record<FigureName, (samples: Sample[], report: Report) => string>> = {
  figure_6: (samples, report) => samplesHtml(samples.map(onlyEnds), report),
  figure_8: samplesHtml,
};

/** The page of a report. */
export function reportHtml(report: Report): string {
  const { results } = report;
  const title = `Panacea reproduced, scale ${results.scale}`;
  const sections: [id: string, heading: string, body: string][] = [
    ["claims", "What the paper claims, and what came out here", claimsHtml(report)],
    ["figures", "Figures", figuresHtml(report)],
    ["indicators", "Indicators", indicatorsHtml(report)],
    ["runs", "Runs: time, memory, settings", runsHtml(report)],
    ["surroundings", "Surroundings", surroundingsHtml(report)],
  ];
  const links = sections.map(([id]) => `<li><a href="#${id}">${capital(id)}</a></li>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${escaped(POLICY)}">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${escaped(title)}</h1>
<p>${escaped(results.description)}</p>
<p class="muted">${escaped(progressText(report))}</p>
<nav aria-label="Sections"><ul>${links.join("")}</ul></nav>
</header>
<main>
${
    sections.map(([id, heading, body]) =>
      `<section id="${id}" aria-labelledby="${id}-heading">` +
      `<h2 id="${id}-heading">${heading}</h2>\n${body}</section>`
    ).join("\n")
  }
</main>
<footer><p>Zhong et al., “Panacea: Pareto Alignment via Preference Adaptation for LLMs”, 2024
(arXiv 2402.02030). Made by <code>deno task reproduce</code>; report.json beside this file holds
every number.</p></footer>
</body>
</html>
`;
}

function progressText({ results }: Report): string {
  const { runs } = results;
  const count = (state: RunRecord["state"]) => runs.filter((run) => run.state === state).length;
  const seconds = runs.reduce((sum, { cost }) => sum + (cost?.wallSeconds ?? 0), 0);
  const parts = [`${count("done")} of ${runs.length} runs finished`];
  if (count("failed") > 0) parts.push(`${count("failed")} failed`);
  if (count("missing") > 0) parts.push(`${count("missing")} not reached`);
  return `${results.date}: ${parts.join(", ")}, ${timeText(seconds)} in all.`;
}

function claimsHtml({ findings, results }: Report): string {
  const notes = results.notes.map((note) => `<p>${escaped(note)}</p>`);
  return findingsHtml(findings) +
    (notes.length === 0 ? "" : `\n<h3>To be known about it</h3>\n${notes.join("\n")}`);
}

function findingsHtml(findings: Finding[]): string {
  const list = (shown: Finding[]) =>
    `<ul class="findings">${shown.map(findingHtml).join("\n")}</ul>`;
  const measured = findings.filter(({ verdict }) => verdict !== "missing");
  const missing = findings.filter(({ verdict }) => verdict === "missing");
  return "<p>Fronts are compared by hypervolume above one reference point, run against run of the " +
    "same seed; a difference counts where its 95 % interval over the seeds (Student's t) leaves " +
    `out 0.</p>\n${list(measured)}` +
    (missing.length === 0
      ? ""
      : `<details><summary>${missing.length} not measured by these runs</summary>${
        list(missing)
      }</details>`);
}

function findingHtml({ claim, source, verdict, found }: Finding): string {
  return `<li><p class="verdict ${verdict}">${capital(verdicts[verdict])}</p><div><p>${
    escaped(claim)
  } <span class="source">(${escaped(source)})</span></p>` +
    `<p class="muted">${escaped(capital(found))}.</p></div></li>`;
}

function figuresHtml(report: Report): string {
  const [wide, narrow] = [drawFigures(report, "wide"), drawFigures(report, "narrow")];
  const { results, summaries } = report;
  return figureNames.map((name) => {
    const { heading, caption } = figures[name];
    const asText = texts[name]?.(results.samples, report);
    const body = asText ?? pictureHtml(wide.get(name), narrow.get(name));
    const text = escaped(caption({ results, summaries }));
    const shown = wide.has(name)
      ? body
      : `<p class="muted">Not drawn: ${escaped(whyNot(name, report))}.</p>`;
    return `<figure id="${name}"><h3>${escaped(heading)}</h3>${shown}` +
      `<figcaption>${text}</figcaption></figure>`;
  }).join("\n");
}

function pictureHtml(wide = "", narrow = ""): string {
  return `<div class="picture wide">${inline(wide)}</div>` +
    `<div class="picture narrow">${inline(narrow)}</div>`;
}

/** A picture is one image with a title: the labels that Plot puts on its parts may not stay in it. */
function inline(svg: string): string {
  return svg.replaceAll(/ aria-\w+="[^"]*"/g, "");
}

/** Why a figure is missing, by the runs that would feed it. */
function whyNot(name: FigureName, { results }: Report): string {
  const methods = results.methods.filter(({ figures }) => figures.includes(name));
  const names = methods.map((method) => method.name);
  const runs = results.runs.filter(({ method }) => names.includes(method));
  const failed = runs.filter(({ state }) => state === "failed");
  if (methods.length === 0) return "this scale has no runs for it";
  if (failed.length > 0) return `${failed.map((run) => run.name).join(", ")} failed`;
  if (runs.every(({ state }) => state === "done")) return "its runs left nothing to show in it";
  return `its runs (${methods.map(({ label }) => label).join(", ")}) are not finished`;
}

function samplesHtml(samples: Sample[], { results }: Report): string {
  return samples.filter(({ answers }) => answers.length > 0).map(({ run, prompt, answers }) => {
    const shown = answers.map(({ preference, answer }) =>
      `<div class="answer" style="border-color: ${mixedColour(preference)}">` +
      `<p class="muted">${
        escaped(
          preference.map((weight, i) => `${results.dimensions[i] ?? i} ${weightText(weight)}`)
            .join(", "),
        )
      }</p><p>${escaped(answer)}</p></div>`
    );
    return `<div class="sample"><h4>${escaped(prompt)}</h4>${shown.join("")}` +
      `<p class="muted">${escaped(run)}</p></div>`;
  }).join("\n");
}

function indicatorsHtml({ results, summaries, landings }: Report): string {
  const groups = Map.groupBy(
    summaries,
    ({ metric, dimensions }) => `${capital(metrics[metric].label)}: ${dimensions.join(", ")}`,
  );
  const tables = [...groups].map(([heading, group]) => {
    const names = Object.keys(measures).filter((name) =>
      group.some(({ values }) => values[name] !== undefined)
    );
    const head = ["method", "seeds", ...names.map((name) => measures[name]?.label ?? name)];
    const rows = group.map((summary) => [
      headCell(methodLabel(results.methods, summary.method)),
      cell(String(summary.seeds.length)),
      ...names.map((name) => measureCell(name, summary)),
    ]);
    const reference = group[0]?.referencePoint.map(short).join(", ");
    return `<h3>${escaped(heading)}</h3><p class="muted">Hypervolume above (${reference}).</p>` +
      table(heading, head, rows);
  });
  const met = new Set<string>(results.methods.map(({ family }) => family));
  const notes = Object.entries(families).flatMap(([name, what]) =>
    met.has(name) ? [`<dt>${capital(name.replaceAll("_", " "))}</dt><dd>${escaped(what)}</dd>`] : []
  );
  const placed = landings.length === 0 ? "" : landingsTable({ results, landings });
  return `<p>Mean over seeds, below it the 95 % interval.</p>\n${tables.join("\n")}${placed}<dl>${
    notes.join("")
  }</dl>`;
}

function landingsTable({ results, landings }: Pick<Report, "results" | "landings">): string {
  const heading = "Where labels of mixed labellers lead (appendix A)";
  const head = ["labellers", "λ_opt", "landed at", "off the exact front by"];
  const rows = landings.map(({ method, labellers, optimum, landed, distance }) => {
    const told = labellers.map(({ share, preference }) =>
      `${Math.round(100 * share)} % (${preference.join(", ")})`
    );
    return [
      headCell(`${methodLabel(results.methods, method)}: ${told.join(" + ")}`),
      cell(optimum.map(short).join(", ")),
      intervalCell(landed, short),
      intervalCell(distance, short),
    ];
  });
  return `<h3>${heading}</h3><p class="muted">Weight of ${
    escaped(results.dimensions[0] ?? "")
  } in the λ whose exact policy is nearest.</p>${table(heading, head, rows)}`;
}

function measureCell(name: string, { values }: MethodSummary): string {
  const value = values[name];
  if (value === undefined) return cell("–");
  const formats: Record<string, (value: number) => string> = {
    number: short,
    percent: (share) => `${(100 * share).toFixed(1)} %`,
    count: grouped,
  };
  return intervalCell(value, formats[measures[name]?.unit ?? "number"] ?? short);
}

function intervalCell(
  { mean, low, high }: SeedInterval,
  format: (value: number) => string,
): string {
  const interval = low === null || high === null || low === high
    ? ""
    : `<span class="interval">${escaped(`${format(low)} – ${format(high)}`)}</span>`;
  return `<td>${escaped(format(mean))}${interval}</td>`;
}

function runsHtml({ results }: Report): string {
  const head = ["run", "state", "steps", "tokens", "training", "whole run", "memory"];
  const rows = results.runs.map(({ name, state, cost, error }) => [
    headCell(name),
    error === undefined ? cell(state) : `<td class="text">${escaped(`${state}: ${error}`)}</td>`,
    ...(cost === undefined ? Array.from({ length: 5 }, () => cell("–")) : [
      cell(grouped(cost.steps)),
      cell(grouped(cost.tokens)),
      cell(timeText(cost.seconds)),
      cell(timeText(cost.wallSeconds)),
      cell(memoryText(cost.peakBytes)),
    ]),
  ]);
  const settings = results.methods.flatMap(({ name, label }) => {
    const run = results.runs.find(({ method }) => method === name);
    if (run === undefined) return [];
    const { seed: _, ...shared } = run.settings;
    return [`<details><summary>${escaped(label)}</summary>${definitions(shared)}</details>`];
  });
  return "<p>Memory is the largest resident set of the process seen during the run; what an " +
    `earlier run left in it is counted.</p>\n${table("Runs", head, rows)}\n` +
    `<h3>Settings other than the defaults, the same for every seed</h3>\n${settings.join("\n")}`;
}

function surroundingsHtml({ results }: Report): string {
  const { settings, machine, versions } = results;
  const parts: [string, Record<string, unknown>][] = [
    ["Asked for", settings],
    ["Machine", machine],
    ["Versions", versions],
  ];
  return parts.map(([heading, values]) => `<h3>${heading}</h3>${definitions(values)}`).join("\n");
}

function definitions(values: Record<string, unknown>): string {
  const items = Object.entries(values).map(([name, value]) =>
    `<dt>${escaped(name)}</dt><dd>${escaped(String(value))}</dd>`
  );
  return `<dl>${items.join("")}</dl>`;
}

/** A table that scrolls by itself where the window is narrow. */
function table(label: string, head: string[], rows: string[][]): string {
  const cells = head.map((name) => `<th scope="col">${escaped(name)}</th>`);
  return `<div class="scroll" role="region" tabindex="0" aria-label="${escaped(label)}"><table>` +
    `<thead><tr>${cells.join("")}</tr></thead>` +
    `<tbody>${rows.map((row) => `<tr>${row.join("")}</tr>`).join("\n")}</tbody></table></div>`;
}

function cell(text: string): string {
  return `<td>${escaped(text)}</td>`;
}

function headCell(text: string): string {
  return `<th scope="row">${escaped(text)}</th>`;
}

function methodLabel(methods: Method[], wanted: string): string {
  return methods.find(({ name }) => name === wanted)?.label ?? wanted;
}

/** Seconds as `42 s`, `12 min`, `3 h 20 min` or `12 days`. */
export function timeText(seconds: number): string {
  if (seconds < 100) return `${Number(seconds.toPrecision(2))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes >= 72 * 60) return `${Math.round(minutes / 60 / 24)} days`;
  const rest = minutes % 60;
  return `${Math.floor(minutes / 60)} h${rest > 0 ? ` ${rest} min` : ""}`;
}

/** Bytes as `812 MiB` or `1.3 GiB`. */
export function memoryText(bytes: number): string {
  const mebibytes = bytes / 2 ** 20;
  return mebibytes < 1000 ? `${mebibytes.toFixed(0)} MiB` : `${(mebibytes / 1024).toFixed(1)} GiB`;
}

/** A number with thin spaces between thousands, whole from 100 on. */
function grouped(value: number): string {
  const text = value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
  return text.replace(/\B(?=(\d{3})+$)/g, "\u2009");
}

/** With a capital letter first; a symbol such as λ stays. */
function capital(text: string): string {
  return text.replace(/^[a-z]/, (letter) => letter.toUpperCase());
}
