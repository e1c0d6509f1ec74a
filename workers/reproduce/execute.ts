// Carries out a plan, run by run: finished ones are skipped, a failed one is named and the rest goes
// on, a signal stops everything with what was done saved. Between plan.ts and report_files.ts.
import { BusyError, StorageError } from "../../core/errors.ts";
import type { RunRecord } from "../../core/report/results.ts";
import { frontNames } from "../../data/store/fronts.ts";
import { runFront } from "../fronts.ts";
import { oneSentence } from "../one_sentence.ts";
import type { SessionEvent, SessionOptions } from "../protocol.ts";
import { costOf, type Places, resultsOf, shownSettings } from "./collect.ts";
import { executors, frontOf } from "./executors.ts";
import { watchMemory } from "./memory_watch.ts";
import type { Plan, PlannedRun } from "./plan.ts";
import type { Records } from "./records.ts";

/** How far a plan came. */
export interface Execution {
  /** A record for every run of the plan, in its order. */
  runs: RunRecord[];
  stopped: boolean;
}

/**
 * Carries out what is left of a plan. `onRun` is told after each run that was carried out now.
 * Throws what makes going on senseless: StorageError, BusyError, InputError for records that were
 * made with other settings.
 */
export async function executePlan(
  plan: Plan,
  { records, options, onRun }: {
    records: Records;
    options: SessionOptions;
    onRun: (runs: RunRecord[]) => Promise<void>;
  },
): Promise<Execution> {
  const runs = await loadAll(plan, records);
  const done = (name: string) => runs.get(name)?.state === "done";
  for (const [i, run] of plan.runs.entries()) {
    if (done(run.name)) continue;
    if (options.signal.aborted) return { runs: [...runs.values()], stopped: true };
    const told = `Run ${i + 1} of ${plan.runs.length}: ${run.name}`;
    const lacking = run.after.find((name) => !done(name));
    if (lacking !== undefined) {
      const error = `needs ${lacking}, which is not finished`;
      runs.set(run.name, { ...unreached(run), state: "failed", error });
      options.onEvent({ type: "notice", message: `${told} is left out: it ${error}` });
      continue;
    }
    options.onEvent({ type: "notice", message: told });
    const record = await carryOut(run, { records, options });
    if (record === null) return { runs: [...runs.values()], stopped: true };
    runs.set(run.name, record);
    if (record.state === "failed") {
      const message = `Run ${run.name} failed: ${record.error}; going on with the rest`;
      options.onEvent({ type: "notice", message });
    }
    await onRun([...runs.values()]);
  }
  return { runs: [...runs.values()], stopped: false };
}

/** What is known of every run before anything is carried out. */
export async function loadAll(plan: Plan, records: Records): Promise<Map<string, RunRecord>> {
  const runs = new Map<string, RunRecord>();
  for (const run of plan.runs) {
    runs.set(run.name, (await records.load(run))?.record ?? unreached(run));
  }
  return runs;
}

/** One run from start or checkpoint to its stored record; null where the signal stopped it. */
async function carryOut(
  run: PlannedRun,
  { records, options }: { records: Records; options: SessionOptions },
): Promise<RunRecord | null> {
  const spent = (await records.load(run))?.spent ?? 0;
  const start = performance.now();
  const memory = watchMemory();
  const seconds = () => spent + (performance.now() - start) / 1000;
  const inner: SessionOptions = { ...options, onEvent: named(run, options.onEvent) };
  try {
    const places = await executors[run.kind](run, inner);
    if (places !== null) await measureFronts(run, places, inner);
    if (places === null || options.signal.aborted) {
      await records.save(run, { spent: seconds(), record: unreached(run) });
      return null;
    }
    const measured = { wallSeconds: seconds(), peakBytes: memory.stop() };
    const record: RunRecord = {
      ...unreached(run),
      state: "done",
      cost: await costOf(places, measured),
      ...await resultsOf(places),
    };
    await records.save(run, { spent: measured.wallSeconds, record });
    return record;
  } catch (error) {
    if (error instanceof StorageError || error instanceof BusyError) throw error;
    const aborted = options.signal.aborted;
    const record: RunRecord = aborted
      ? unreached(run)
      : { ...unreached(run), state: "failed", error: oneSentence(error) };
    await records.save(run, { spent: seconds(), record });
    return aborted ? null : record;
  } finally {
    memory.stop();
  }
}

/** The further fronts of a run, each once. */
async function measureFronts(
  run: PlannedRun,
  { folder }: Places,
  options: SessionOptions,
): Promise<void> {
  for (const metric of run.metrics) {
    if ((await frontNames(folder)).includes(metric)) continue;
    await runFront({ ...frontOf(run), adapter: folder, metric, name: metric }, options);
  }
}

function unreached(run: PlannedRun): RunRecord {
  return {
    name: run.name,
    method: run.method,
    seed: run.seed,
    state: "missing",
    settings: shownSettings(run),
    fronts: {},
    evolution: [],
    curve: [],
  };
}

/** Steps become progress of the run; the files of each run are not told one by one. */
function named(
  { name }: PlannedRun,
  onEvent: SessionOptions["onEvent"],
): (event: SessionEvent) => void {
  return (event) => {
    if (event.type === "step") {
      onEvent({ type: "progress", what: name, done: event.step, total: event.steps });
    } else if (event.type === "progress") {
      onEvent({ ...event, what: `${name}: ${event.what}` });
    } else if (event.type === "notice") onEvent(event);
  };
}
