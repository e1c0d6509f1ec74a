// `deno task train`: settings out of flags, YAML and preset, one session, and at its end the front,
// what the preferences choose, where everything lies and what to type next.
import type { Command } from "commander";
import { presets, RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";
import type { SessionEvent, TrainReport } from "../workers/protocol.ts";
import { type CommandContext, declareCommand } from "./command.ts";
import { declareFlags, flagsOf, nearestName, readFlags } from "./flags.ts";
import { duration, grouped } from "./format.ts";
import { frontText, samplesText } from "./front_text.ts";
import { heldOutDocument, heldOutText } from "./held_out_text.ts";
import { printResult } from "./output.ts";
import { rewardDocument, rewardText } from "./reward_text.ts";
import { resolveRunConfig } from "./run_config.ts";
import { onScreen } from "./terminal.ts";

/** Headings of the help, each above the setting it names and those that follow it. */
export const groups: Record<string, string> = {
  model_name_or_path: "What is trained on what:",
  objective: "Objective and aggregation:",
  tuning: "Adapter:",
  reward_model: "PPO:",
  max_length: "Lengths and batches:",
  learning_rate: "Optimiser:",
  logging_steps: "Evaluation and files:",
  engine: "Engine:",
};

/** Adds `train [objective]` to the program. */
export function register(program: Command, context: CommandContext): void {
  const command = declareCommand(program, "train", {
    description:
      "train one preference-conditioned adapter; without arguments on the built-in world",
    notes: presetHelp(),
  });
  command.argument("[objective]", "what is optimised: same as --objective");
  command.option("--config [file.yaml]", "settings from a YAML file, under the flags");
  command.option("--preset [name]", "named settings, under the flags and the YAML file");
  declareFlags(command, flagsOf(RunConfig), groups);
  command.option("--dimension [name]", "one dimension alone: same as --dimensions");
  command.action(() => train(command, context));
}

async function train(command: Command, { env, signal }: CommandContext): Promise<void> {
  const flags = withDimension(
    withObjective(readFlags(command, RunConfig), command.args[0]),
    textOption(command, "dimension", "the name of a dimension"),
  );
  const config = await resolveRunConfig({
    flags,
    config: textOption(command, "config", "a YAML file"),
    preset: textOption(command, "preset", `one of ${Object.keys(presets).join(", ")}`),
  });
  const { runTraining } = await import("../workers/session.ts");
  const outcome: TrainOutcome = { trainedNow: 0, files: [] };
  const report = await onScreen(signal, (show) =>
    runTraining(config, {
      env,
      signal,
      onEvent(event: SessionEvent) {
        if (event.type === "step") outcome.trainedNow++;
        if (event.type === "front") outcome.files = event.files;
        show(event);
      },
    }));
  printResult(command.opts().json ? trainDocument(report) : trainText(report, outcome));
}

/** What the events told beside the report. */
export interface TrainOutcome {
  trainedNow: number; // logged steps of this session; 0 where the run was already finished
  files: string[]; // of the last front
}

/** The document of `train --json`; `stopped` only where a signal ended the session early. */
export function trainDocument(
  { adapter, steps, seconds, tokensPerSecond, losses, stopped, model, heldOut, rewards }:
    TrainReport,
) {
  return {
    adapter,
    steps,
    seconds,
    tokensPerSecond,
    losses,
    ...(stopped && { stopped }),
    ...(model && { model }),
    ...(heldOut && { heldOut: heldOutDocument(heldOut) }),
    ...(rewards && { rewards: rewardDocument(rewards) }),
  };
}

/** What people read at the end of a session. */
export function trainText(report: TrainReport, { trainedNow, files }: TrainOutcome): string {
  if (report.stopped) {
    return `Stopped at step ${report.steps}; saved in ${report.adapter}\n` +
      "Continue with the same command";
  }
  const { front, samples, heldOut, rewards } = report;
  const parts = [];
  if (front) parts.push(frontText(front));
  if (front && samples?.length) parts.push(samplesText(samples, front.dimensions));
  if (heldOut) parts.push(heldOutText(heldOut));
  if (rewards) parts.push(rewardText(rewards));
  parts.push(trainedNow > 0 ? howItWent(report) : alreadyTrained(report));
  parts.push([...places(report, files), `Next     ${nextCommand(report)}`].join("\n"));
  return parts.join("\n\n");
}

/** Where everything lies. */
function places({ adapter, model, rewards }: TrainReport, files: string[]): string[] {
  if (model !== undefined) return [`Run      ${adapter}`, `Model    ${model}`];
  if (rewards) return [`Rewards  ${adapter}`, `Picture  ${adapter}/reports/rewards.svg`];
  return [`Adapter  ${adapter}`, ...files.map((file) => `Front    ${file}`)];
}

function nextCommand({ adapter, model, rewards }: TrainReport): string {
  if (rewards) return `deno task train ppo --reward_model ${quoted(adapter)}`;
  if (model === undefined) return `deno task front --adapter ${quoted(adapter)}`;
  return `deno task train dpo --model_name_or_path ${quoted(model)} --dataset … --output_dir …`;
}

function howItWent({ steps, seconds, tokensPerSecond, losses }: TrainReport): string {
  const parts = Object.entries(losses).map(([name, loss]) => `${name} ${loss.toFixed(3)}`);
  return `Trained ${steps} steps in ${duration(seconds)}, ${grouped(tokensPerSecond)} tokens/s` +
    (parts.length ? `; last losses: ${parts.join(", ")}` : "");
}

function alreadyTrained({ adapter, steps }: TrainReport): string {
  return `${adapter} was already trained (${steps} steps): nothing left to do\n` +
    "To train anew, give another --output_dir or remove that folder";
}

/** A path as a shell takes it. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

/** `train dpo` is `train --objective dpo`; both, when they agree. */
function withObjective(
  flags: Record<string, unknown>,
  objective: string | undefined,
): Record<string, unknown> {
  if (objective === undefined) return flags;
  const known: string[] = RunConfig.shape.objective.unwrap().options;
  if (!known.includes(objective)) {
    throw new InputError(
      `Cannot train: expected an objective among ${known.join(", ")}, got ${objective} ` +
        `(nearest: ${nearestName(objective, known)})`,
    );
  }
  if (flags.objective !== undefined && flags.objective !== objective) {
    throw new InputError(
      `Cannot train: expected one objective, got ${objective} and --objective ${flags.objective}`,
    );
  }
  return { ...flags, objective };
}

/** `--dimension harmless` is `--dimensions harmless`; both, when they agree. */
function withDimension(
  flags: Record<string, unknown>,
  dimension: string | undefined,
): Record<string, unknown> {
  if (dimension === undefined) return flags;
  if (flags.dimensions !== undefined && flags.dimensions !== dimension) {
    throw new InputError(
      `Cannot train: expected --dimension or --dimensions, got ${dimension} and ${flags.dimensions}`,
    );
  }
  return { ...flags, dimensions: dimension };
}

function textOption(command: Command, name: string, expected: string): string | undefined {
  const value: unknown = command.opts()[name];
  if (value === undefined || (typeof value === "string" && value !== "")) return value;
  throw new InputError(`Cannot use --${name}: expected ${expected}, got no value`);
}

function presetHelp(): string {
  const lines = Object.entries(presets).map(([name, { description, values }]) => {
    const settings = Object.entries(values).map(([key, value]) => `${key}=${value}`);
    return `  ${name}: ${description}\n    ${settings.join(" ")}`;
  });
  return `Presets:\n${lines.join("\n")}\n\n` +
    "Flags win over the YAML file, the YAML file over the preset, the preset over the defaults.";
}
