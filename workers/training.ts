// A training session from configuration to stored result: opens the run's folder, drives the recipe
// of its objective, and stores what it yields. The same call again resumes, or finds nothing to do.
import type { RunConfig } from "../core/config.ts";
import { DivergedError, InputError, ShardError } from "../core/errors.ts";
import type { StepFigures } from "../core/train.ts";
import { type Checkpoint, openRun, type Run } from "../data/store/run_folder.ts";
import { withLocalData } from "./hub_data.ts";
import type { SessionOptions, TrainReport } from "./protocol.ts";
import { toTensors } from "./stored_adapter.ts";
import { recipes } from "./recipes/mod.ts";
import type { LoadedRun, Recipe, RecipeRows, StartedRun } from "./recipes/recipe.ts";

/** Name of the front that the last step's adapter is shown with. */
export const FINAL_FRONT = "final";

/** Settings that may change when a run goes on: they do not touch what is learned. */
const CHANGEABLE: readonly (keyof RunConfig)[] = [
  "output_dir",
  "eval_dataset",
  "eval_limit",
  "grid",
  "bootstrap",
  "save_total_limit",
  "threads",
  "device",
  "shards",
  "shard_timeout",
];

/** Trains, or goes on training, the run in `output_dir`. Data sets of the hub are downloaded first. */
export async function runTraining(
  given: RunConfig,
  options: SessionOptions,
): Promise<TrainReport> {
  const config = await withLocalData(given, options);
  // Wrong input is found before anything is written, a held or different run before anything slow.
  const recipe = await recipes[config.objective]();
  await using existing = await openExisting(config, recipe);
  const rows = await recipe.open(config);
  await using loaded = await rows.load({ config, options });
  await using run = existing ?? await openAgreeing(config, recipe);
  const checkpoint = await startingPoint({ config, options }, { run, rows, loaded });
  await using started = await loaded.start({ run, checkpoint });
  const session = { config, options, run, dimensions: rows.dimensions };
  return await driveAndFinish(session, started).catch((error) => {
    if (!(error instanceof DivergedError) || error.step === undefined) throw error;
    const { message, remedy, step } = error;
    throw new DivergedError(`${message}; ${howToGoOn(run, error)}`, { remedy, step, cause: error });
  });
}

/** Where a run that went astray stands now, and what goes on from there. */
function howToGoOn(run: Run, { step, remedy }: DivergedError): string {
  const flags = Object.entries(remedy).map(([name, value]) => ` --${name} ${value}`).join("");
  const again = flags === "" ? "the same command" : `the same command with${flags}`;
  return step === 0
    ? `it was so from the start: ${again} starts anew`
    : `${run.path}/checkpoint-${step} holds the last step before that: ${again} goes on from there`;
}

interface Session {
  config: RunConfig;
  options: SessionOptions;
  run: Run;
  dimensions: string[];
}

/** Runs the steps that are left, then stores what was learned and what was measured of it. */
async function driveAndFinish(session: Session, started: StartedRun): Promise<TrainReport> {
  const { config, options, run, dimensions } = session;
  let { step, steps, tokens, seconds } = started.progress ??
    { step: 0, steps: Infinity, tokens: 0, seconds: 0 };
  let losses: Record<string, number> = await lastLosses(run, dimensions);
  for await (const event of started.events(options.signal)) {
    if (event.type === "step") {
      const { figures } = event;
      step = figures.step;
      steps = figures.steps;
      tokens += figures.tokens;
      seconds += figures.seconds;
      losses = named(dimensions, figures.losses);
      if (step % config.logging_steps === 0 || step === steps) {
        await report(session, { figures, tokens, seconds });
      }
    } else if (event.type === "evaluate") {
      await started.evaluate(`step-${event.step}`, event.step).catch((error) => {
        // Stopped, or a shard lost, while measuring: the recipe saves the steps done so far next.
        if (!options.signal.aborted && !(error instanceof ShardError)) throw error;
      });
    } else {
      const { state } = event;
      step = state.step; // a run that went astray goes back
      await run.saveCheckpoint(state.step, {
        adapter: await started.tensors(),
        adapterConfig: started.adapterConfig(state.step),
        optimizer: toTensors(await event.moments()),
        companions: await started.companions?.() ?? {},
        state,
      }, { limit: config.save_total_limit });
      await run.saveTrainerState({ step, steps, tokens, config });
      options.onEvent({
        type: "checkpoint",
        step: state.step,
        path: `${run.path}/checkpoint-${state.step}`,
      });
    }
    await new Promise((resolve) => setTimeout(resolve)); // signals get a turn between steps
  }
  const tokensPerSecond = seconds > 0 ? tokens / seconds : 0;
  const summary = { adapter: run.path, steps: step, seconds, tokensPerSecond, losses };
  if (step < steps) return { ...summary, stopped: true };

  await started.store(step, undefined);
  const front = await started.evaluate(FINAL_FRONT, step);
  if (front !== undefined) await started.store(step, front);
  return { ...summary, stopped: false, front, ...await started.finish() };
}

/** One row of metrics.jsonl and one event; what has no value in the step is left out. */
async function report(
  { run, options, dimensions }: Session,
  { figures, tokens, seconds }: { figures: StepFigures; tokens: number; seconds: number },
): Promise<void> {
  const { step, steps, loss, learningRate, gradNorm } = figures;
  const losses = named(dimensions, figures.losses);
  const accuracies = named(dimensions, figures.accuracies);
  const metrics = withValue(Object.entries(figures.metrics ?? {}));
  await run.appendMetrics([{
    step,
    loss,
    ...prefixed("loss", losses),
    ...prefixed("accuracy", accuracies),
    ...metrics,
    learning_rate: learningRate,
    grad_norm: gradNorm,
    tokens,
    seconds: figures.seconds,
  }]);
  options.onEvent({
    type: "step",
    step,
    steps,
    loss,
    losses,
    accuracies,
    metrics,
    learningRate,
    gradNorm,
    tokens,
    seconds,
    tokensPerSecond: tokens / seconds,
    etaSeconds: (steps - step) * seconds / step,
  });
}

/** The run in output_dir if there is one. */
async function openExisting(config: RunConfig, recipe: Recipe): Promise<Run | null> {
  const found = await Deno.stat(config.output_dir).catch(() => null);
  return found === null ? null : await openAgreeing(config, recipe);
}

/** Opens or makes the run in output_dir, whose saved steps must have been made with `config`. */
async function openAgreeing(config: RunConfig, recipe: Recipe): Promise<Run> {
  const run = await openRun(config.output_dir, { create: true });
  try {
    await refuseOtherSettings(run, config, recipe);
    return run;
  } catch (error) {
    await run.close();
    throw error;
  }
}

/** Settings that decide what is learned and are not the same in both. */
export function changedSettings(config: RunConfig, stored: RunConfig): (keyof RunConfig)[] {
  const keys = Object.keys(config) as (keyof RunConfig)[];
  return keys.filter((key) => !CHANGEABLE.includes(key) && config[key] !== stored[key]);
}

/**
 * Throws InputError where the run has saved steps and was started with other settings than its
 * recipe lets change after them.
 */
async function refuseOtherSettings(run: Run, config: RunConfig, recipe: Recipe): Promise<void> {
  const stored = await run.loadConfig();
  if (stored === null) return;
  const changed = changedSettings(config, stored);
  if (changed.length === 0) return;
  const checkpoint = await run.latestCheckpoint();
  if (checkpoint === null) return;
  const changeable = recipe.changeableAfter?.(checkpoint.state) ?? [];
  const refused = changed.filter((key) => !changeable.includes(key));
  if (refused.length === 0) return;
  const list = refused.map((key) => `${key} ${stored[key]} (now ${config[key]})`).join(", ");
  throw new InputError(
    `Cannot go on with the run in ${run.path}: expected its settings ${list}; ` +
      "give the same settings, or another output_dir for a new run",
  );
}

/** The newest checkpoint, or null for a run that starts anew; metrics are cut back to it. */
async function startingPoint(
  { config, options }: Pick<Session, "config" | "options">,
  { run, rows, loaded }: { run: Run; rows: RecipeRows; loaded: LoadedRun },
): Promise<Checkpoint | null> {
  const checkpoint = await run.latestCheckpoint();
  if (checkpoint === null) {
    await run.saveConfig(config);
    await run.truncateMetrics(0);
    return null;
  }
  const { base_fingerprint, dataset_fingerprint } = checkpoint.adapterConfig;
  const hashes: [string, string, string][] = [
    ["base", loaded.base.fingerprint, base_fingerprint],
    ["rows", rows.fingerprint, dataset_fingerprint],
  ];
  for (const [what, expected, found] of hashes) {
    if (found === expected) continue;
    throw new InputError(
      `Cannot go on with the run in ${run.path}: expected the ${what} it was started with, ` +
        `got ${what} that changed since`,
    );
  }
  const stored = await run.loadConfig();
  const changed = stored === null ? [] : changedSettings(config, stored);
  if (changed.length > 0) {
    const list = changed.map((key) => `${key} ${config[key]} (before: ${stored?.[key]})`);
    const message = `Going on from step ${checkpoint.step} with ${list.join(", ")}`;
    options.onEvent({ type: "notice", message });
    await run.saveConfig(config);
  }
  await run.truncateMetrics(checkpoint.step);
  return checkpoint;
}

/** Losses of the last logged row, for a run that has nothing left to do. */
async function lastLosses(run: Run, dimensions: string[]): Promise<Record<string, number>> {
  const last = (await run.readMetrics()).at(-1);
  const values = dimensions.map((name) => Number(last?.[`loss/${name}`] ?? NaN));
  return named(dimensions, values);
}

/** By dimension, without those that have no value. */
function named(dimensions: string[], values: number[]): Record<string, number> {
  return withValue(dimensions.map((name, i) => [name, values[i] ?? NaN]));
}

function withValue(entries: [string, number][]): Record<string, number> {
  return Object.fromEntries(entries.filter(([, value]) => !Number.isNaN(value)));
}

function prefixed(prefix: string, values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${prefix}/${name}`, value]),
  );
}
