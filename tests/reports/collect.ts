// deno-lint-ignore-file no-console
// Makes the report of a finished run that is kept in this repository: settings, time, curve and
// front, without weights and without paths of the machine it ran on.
//   deno run -A tests/reports/collect.ts runs/first tests/reports/first ["what was tried"]
import { basename, join } from "node:path";
import { openAdapter } from "../../data/store/run_folder.ts";

const [run, target, remarks = ""] = Deno.args;
if (run === undefined || target === undefined) {
  console.error("usage: collect.ts RUN TARGET [REMARKS]");
  Deno.exit(2);
}

interface Row {
  step: number;
  seconds: number;
  tokens: number;
  [name: string]: number;
}

const { config } = await openAdapter(run); // verifies the run's files
const stored = JSON.parse(await Deno.readTextFile(join(run, "run_config.json"))).config;
const rows: Row[] = (await Deno.readTextFile(join(run, "metrics.jsonl"))).trim().split("\n")
  .map((line) => JSON.parse(line));
const front = JSON.parse(await Deno.readTextFile(join(run, "fronts/final.json")));
const seconds = rows.reduce((sum, row) => sum + row.seconds, 0);
const every = Math.max(1, Math.ceil(rows.length / 50));

const report = {
  date: new Date().toISOString().slice(0, 10),
  remarks,
  settings: withoutFolders(stored),
  adapter: { ...config, modules: config.modules.length, base_model: basename(config.base_model) },
  training: {
    steps: config.steps,
    seconds: Math.round(seconds),
    secondsPerStep: Number((seconds / rows.length).toFixed(3)),
    tokens: rows.at(-1)?.tokens,
    curve: meanRows(rows, every),
  },
  front: withoutFolders(front),
  machine: {
    cores: navigator.hardwareConcurrency,
    memoryGiB: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    deno: Deno.version.deno,
  },
};
await Deno.mkdir(target, { recursive: true });
await Deno.writeTextFile(join(target, "report.json"), JSON.stringify(report, null, 1) + "\n");
const picture = await Deno.readTextFile(join(run, "fronts/final.svg"));
const svg = picture.replaceAll(front.adapter, basename(front.adapter));
await Deno.writeTextFile(join(target, "front.svg"), svg);

/** Absolute paths become file names; everything else stays. */
function withoutFolders(value: unknown): unknown {
  if (typeof value === "string") return value.replaceAll(/(?:\.{0,2}\/)[^\s,+=]*\//g, "");
  if (Array.isArray(value)) return value.map(withoutFolders);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, withoutFolders(v)]));
  }
  return value;
}

/** Means over windows of `size` rows. */
function meanRows(all: Row[], size: number): Record<string, number>[] {
  const windows = Array.from(
    { length: Math.ceil(all.length / size) },
    (_, i) => all.slice(i * size, (i + 1) * size),
  );
  return windows.map((window) => {
    const names = Object.keys(window[0] ?? {}).filter((name) => name !== "step");
    const mean = (name: string) =>
      window.reduce((sum, row) => sum + (row[name] ?? 0), 0) / window.length;
    const means = names.map((name) => [name, Number(mean(name).toPrecision(5))]);
    return { step: window.at(-1)?.step ?? 0, ...Object.fromEntries(means) };
  });
}
