// Runs the wanted rows: for each experiment, the contestants by turns, round after round, every turn
// a process of its own; then the rows that read from it. Between commands/bench.ts and rows.ts.
import { InputError } from "../../core/errors.ts";
import { runProcess } from "./process.ts";
import {
  type Contestant,
  type Experiment,
  type Round,
  type Row,
  type RowReport,
  type Sample,
  type Surroundings,
  Unavailable,
} from "./row.ts";

export interface BenchOptions extends Surroundings {
  names?: string[]; // of rows, in the order of the table whatever the order here
  repeats: number;
  onProgress: (message: string) => void;
}

/** What came out: rows that were measured, and why others were not. */
export interface BenchResult {
  rows: RowReport[];
  failures: string[]; // rows that should have run and did not, one sentence each
}

/**
 * Measures the rows of `table` that are wanted; without names, all but those on request. Rows whose
 * experiment is not possible here are skipped with a notice. Throws InputError for an unknown name,
 * the signal's reason when it aborts.
 */
export async function measureRows(table: Row[], options: BenchOptions): Promise<BenchResult> {
  const result: BenchResult = { rows: [], failures: [] };
  const wanted = selectRows(table, options.names);
  options.onProgress(machine());
  for (const experiment of new Set(wanted.map((row) => row.experiment))) {
    const readers = wanted.filter((row) => row.experiment === experiment);
    const names = readers.map(({ name }) => name).join(", ");
    try {
      const rounds = await runRounds(experiment, names, options);
      for (const row of readers) result.rows.push(row.report(rounds));
    } catch (error) {
      options.signal.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      if (error instanceof Unavailable) options.onProgress(`Skipping ${names}: ${reason}`);
      else result.failures.push(`Cannot measure ${names}: ${reason}`);
    }
  }
  return result;
}

/** The rows named, or all that are not on request. Throws InputError for an unknown name. */
export function selectRows(table: Row[], names?: string[]): Row[] {
  if (names === undefined) return table.filter(({ onRequest }) => !onRequest);
  const known = table.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new InputError(
      `Cannot run bench: expected rows among ${known.join(", ")}, got ${JSON.stringify(unknown)}`,
    );
  }
  return table.filter(({ name }) => names.includes(name));
}

/** The order of a round: every other one backwards, so that a drift of the machine hits all alike. */
export function turns<T>(contestants: T[], round: number): T[] {
  return round % 2 === 0 ? contestants : [...contestants].reverse();
}

async function runRounds(
  experiment: Experiment,
  names: string,
  options: BenchOptions,
): Promise<Round[]> {
  const contestants = Object.entries(await experiment.contestants(options));
  const rounds: Round[] = [];
  for (let r = 0; r < options.repeats; r++) {
    const round: Round = {};
    for (const [name, contestant] of turns(contestants, r)) {
      const sample = await takeTurn(contestant, options.signal);
      const told = Object.entries(sample.figures).map(([key, value]) => `${key} ${short(value)}`);
      const where = `${names}, round ${r + 1} of ${options.repeats}, ${name}`;
      options.onProgress(`${where}: ${told.join(", ")}`);
      round[name] = sample;
    }
    rounds.push(round);
  }
  return rounds;
}

async function takeTurn(contestant: Contestant, signal: AbortSignal): Promise<Sample> {
  const folder = await Deno.makeTempDir({ prefix: "panacea-bench-" });
  try {
    const finished = await runProcess(contestant.plan(folder), signal);
    return {
      figures: await contestant.figures(finished, folder),
      peakBytes: finished.peakBytes,
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What the figures depend on, and whether other work disturbs them. */
function machine(): string {
  const cores = navigator.hardwareConcurrency;
  const [load = 0] = Deno.loadavg();
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  const found = `${cores} cores, ${memory} GiB, ${Deno.build.target}, Deno ${Deno.version.deno}`;
  // Threads that wait for each other suffer more from other work than its share of the machine.
  const busy = load > 0.5 ? `; BUSY (load ${load.toFixed(1)}): do not trust these ratios` : "";
  return `${found}${busy}`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}
