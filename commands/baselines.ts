// `deno task baselines`: Rewarded Soups and Discrete Policy Solutions beside a trained run, with what
// each cost to train.
import { relative } from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { baselines, type Budget, budgets } from "../core/baselines/mod.ts";
import type { MethodComparison } from "../core/baselines/compute.ts";
import type { CompositeKind } from "../core/adapters/mod.ts";
import { RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";
import { type Metric, metrics } from "../core/front/report.ts";
import type { BaselinesReport, SessionEvent } from "../workers/protocol.ts";
import { type CommandContext, declareCommand } from "./command.ts";
import { declareFlags, flagsOf, nearestName, parseFlags } from "./flags.ts";
import { columns, duration, grouped } from "./format.ts";
import { comparisonText } from "./front_text.ts";
import { printResult } from "./output.ts";
import { onScreen } from "./terminal.ts";

const kinds = Object.keys(baselines) as CompositeKind[];

const BaselinesFlags = z.strictObject({
  adapter: z.string().describe("folder of the finished run to compare with"),
  methods: z.string().default(kinds.join(",")).describe("comma-separated"),
  points: RunConfig.shape.grid.describe(
    "discrete_policies: preferences with a policy of their own, per edge of the simplex",
  ),
  budget: z.enum(Object.keys(budgets) as [Budget, ...Budget[]]).default("each").describe(
    Object.entries(budgets).map(([name, { description }]) => `${name}: ${description}`).join("; "),
  ),
  output_dir: z.string().optional().describe(
    "where the new folders go; default: beside the run",
  ),
  metric: z.enum(Object.keys(metrics) as [Metric, ...Metric[]]).optional().describe(
    "what the fronts' values are; default: what the test data can show",
  ),
  reward_model: RunConfig.shape.reward_model.describe(
    "metric reward: what judges the responses; default: as in the run",
  ),
  grid: RunConfig.shape.grid.unwrap().optional().describe(
    "preference grid of the fronts: points per edge of the simplex; default: as in the run",
  ),
});

/** Adds `baselines --adapter DIR` to the program. */
export function register(program: Command, context: CommandContext): void {
  const command = declareCommand(program, "baselines", {
    description: "train the paper's baselines on a run's data, seed and budget, and compare fronts",
    notes: `Methods:\n${
      Object.entries(baselines).map(([name, { description }]) => `  ${name}: ${description}`)
        .join("\n")
    }\n\nEvery policy is a run of its own: stopped or killed, the same command goes on.`,
  });
  declareFlags(command, flagsOf(BaselinesFlags), {
    adapter: "What is trained:",
    metric: "Fronts:",
  });
  command.action(() => run(command, context));
}

async function run(command: Command, { env, signal }: CommandContext): Promise<void> {
  const { adapter, methods, points, budget, output_dir: folder, ...fronts } = parseFlags(
    command,
    BaselinesFlags,
  );
  const front = Object.fromEntries(
    Object.entries(fronts).filter(([, value]) => value !== undefined),
  );
  const wanted = { adapter, kinds: readMethods(methods), points, budget, folder, front };
  const { baselinesRequest, runBaselines } = await import("../workers/session.ts");
  const request = await baselinesRequest(wanted);
  const report = await onScreen(signal, (show) =>
    runBaselines(request, {
      env,
      signal,
      onEvent(event: SessionEvent) {
        if (event.type !== "front") show(event); // the result tells its files itself
      },
    }));
  printResult(command.opts().json ? { ...report } : baselinesText(report));
}

/** Names of methods; throws InputError for one that is none. */
function readMethods(text: string): CompositeKind[] {
  const names = text.split(",").map((name) => name.trim());
  const wrong = names.find((name) => !Object.hasOwn(baselines, name));
  if (wrong !== undefined) {
    throw new InputError(
      `Cannot use --methods: expected names among ${kinds.join(", ")}, got ` +
        `${JSON.stringify(wrong)} (nearest: ${nearestName(wrong, kinds)})`,
    );
  }
  return kinds.filter((kind) => names.includes(kind));
}

/** What people read at the end: fronts, cost, places. */
export function baselinesText({ stopped, baselines, comparison, files }: BaselinesReport): string {
  if (stopped || comparison === undefined) {
    return "Stopped; every step so far is saved\nContinue with the same command";
  }
  return [
    comparisonText(comparison.fronts),
    "",
    computeText(comparison),
    "",
    ...baselines.map(({ adapter }) => `Adapter  ${fromHere(adapter)}`),
    ...files.map((file) => `Figure   ${fromHere(file)}`),
  ].join("\n");
}

/** What each method's front cost to train. */
function computeText({ methods }: MethodComparison): string {
  const first = methods[0]?.compute.tokens ?? 0;
  const rows = methods.map(({ name, compute, hypervolume, hypervolumePerMillionTokens }) => [
    name,
    grouped(compute.runs),
    grouped(compute.steps),
    grouped(compute.tokens),
    first > 0 ? `${(compute.tokens / first).toFixed(1)} ×` : "–",
    duration(compute.seconds),
    hypervolume.toFixed(3),
    hypervolumePerMillionTokens?.toFixed(3) ?? "–",
  ]);
  const head = ["", "policies", "steps", "tokens", "", "time", "hypervolume", "per 10⁶ tokens"];
  return ["Training compute", columns([head, ...rows])].join("\n");
}

/** A path as it is shortest to type. */
function fromHere(path: string): string {
  const short = relative(Deno.cwd(), path);
  return short.startsWith("..") ? path : short;
}
