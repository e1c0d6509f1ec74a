// `deno task front`: the Pareto front of a trained adapter over a grid of preferences; beside those
// of other adapters, or at the steps of its training.
import type { Command } from "commander";
import { z } from "zod";
import { RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";
import { type Metric, metrics } from "../core/front/report.ts";
import type {
  ComparisonResult,
  FrontRequest,
  FrontResult,
  SessionEvent,
  SessionOptions,
} from "../workers/protocol.ts";
import { type CommandContext, declareCommand } from "./command.ts";
import { declareFlags, flagsOf, parseFlags } from "./flags.ts";
import { comparisonText, frontText, samplesText } from "./front_text.ts";
import { printResult } from "./output.ts";
import { onScreen } from "./terminal.ts";

const FrontFlags = z.strictObject({
  adapter: z.string().describe("folder of a run"),
  dataset: z.string().optional().describe(
    "other test files than the run's own, written like the dataset of train",
  ),
  checkpoint: z.number().int().nonnegative().optional().describe(
    "step of a stored checkpoint to evaluate, in place of the finished adapter",
  ),
  metric: z.enum(Object.keys(metrics) as [Metric, ...Metric[]]).optional().describe(
    "what the values are; default: what the test data can show",
  ),
  reward_model: RunConfig.shape.reward_model.describe(
    "metric reward: what judges the responses, `helpful=runs/a,harmless=runs/b`, one source for " +
      "all dimensions, or `builtin`; default: as in the run",
  ),
  max_new_tokens: RunConfig.shape.max_new_tokens.unwrap().optional().describe(
    "metric reward: longest response, in tokens; default: as in the run",
  ),
  rollout_format: RunConfig.shape.rollout_format.unwrap().optional().describe(
    "metric reward: how frozen weights are held for generating; default: as in the run",
  ),
  limit: RunConfig.shape.eval_limit,
  ...RunConfig.pick({
    grid: true,
    bootstrap: true,
    seed: true,
    max_tokens_per_pass: true,
    engine: true,
    threads: true,
    device: true,
  }).shape,
  dtype: RunConfig.shape.dtype.unwrap().optional().describe(
    "how frozen weights are held; default: as in the run",
  ),
  compare: z.string().optional().describe(
    "folders of other adapters, comma-separated: their fronts on the same axes",
  ),
  evolution: z.boolean().default(false).describe(
    "the front at the steps of the training (checkpoints and stored fronts), on the same axes",
  ),
});
type FrontFlags = z.infer<typeof FrontFlags>;

/** Adds `front --adapter DIR` to the program. */
export function register(program: Command, context: CommandContext): void {
  const command = declareCommand(program, "front", {
    description: "draw the Pareto front of an adapter: table, JSON, CSV and SVG",
  });
  declareFlags(command, flagsOf(FrontFlags), {
    adapter: "What is evaluated:",
    engine: "Engine:",
    compare: "Several fronts:",
  });
  command.action(() => front(command, context));
}

async function front(command: Command, { env, signal }: CommandContext): Promise<void> {
  const flags = parseFlags(command, FrontFlags);
  const view = chooseView(flags);
  const shown = await onScreen(signal, (show) =>
    view({
      env,
      signal,
      onEvent(event: SessionEvent) {
        if (event.type !== "front") show(event); // the result tells its files itself
      },
    }));
  printResult(command.opts().json ? shown.json : shown.text);
}

interface Shown {
  json: Record<string, unknown>;
  text: string;
}

/** What the flags ask for: one front, or several on the same axes. */
function chooseView(
  { compare, evolution, max_tokens_per_pass: maxTokensPerPass, ...flags }: FrontFlags,
): (options: SessionOptions) => Promise<Shown> {
  const request: FrontRequest = { ...flags, maxTokensPerPass };
  const given = [
    ...(compare === undefined ? [] : ["--compare"]),
    ...(evolution ? ["--evolution"] : []),
    ...(flags.checkpoint === undefined ? [] : ["--checkpoint"]),
  ];
  if (given.length > 1) {
    throw new InputError(`Cannot draw the front: expected one of ${given.join(" and ")}, got both`);
  }
  const session = () => import("../workers/session.ts");
  if (compare !== undefined) {
    const others = compare.split(",").map((folder) => folder.trim());
    return async (options) =>
      comparisonShown(await (await session()).runComparison({ ...request, others }, options));
  }
  if (evolution) {
    return async (options) =>
      comparisonShown(await (await session()).runEvolution(request, options));
  }
  return async (options) => frontShown(await (await session()).runFront(request, options));
}

function frontShown({ report, files, samples }: FrontResult): Shown {
  const answers = samples.length > 0
    ? ["", samplesText(samples, report.dimensions, "Answers of a few preferences")]
    : [];
  return { json: report, text: [frontText(report), ...answers, "", ...listed(files)].join("\n") };
}

function comparisonShown({ comparison, files }: ComparisonResult): Shown {
  return { json: comparison, text: [comparisonText(comparison), "", ...listed(files)].join("\n") };
}

function listed(files: string[]): string[] {
  return files.map((file) => `Front    ${file}`);
}
