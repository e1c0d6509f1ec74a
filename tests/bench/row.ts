// What the rooms of the benchmark share: a row of the table, the experiment it is read from, and
// the processes that an experiment runs by turns. The table itself is rows.ts; measure.ts runs it.

/** What the benchmark gets from its caller. */
export interface Surroundings {
  env: (name: string) => string | undefined;
  signal: AbortSignal;
  /** The Python that has the peers' packages; undefined: PANACEA_PEERS, else python3. */
  python?: string;
}

/** A process to start, in the root of the repository. */
export interface ProcessPlan {
  program: string;
  args: string[];
  env?: Record<string, string>;
}

/** A process that ended well. */
export interface FinishedProcess {
  output: string; // all of its standard output
  seconds: number; // from start to end
  peakBytes: number | null; // most memory resident at once; null where the system does not tell
}

/** Numbers by name that one process gave, seconds if not said otherwise. */
export type Figures = Record<string, number>;

/** One side of an experiment. `folder` is empty at the start and removed after `figures`. */
export interface Contestant {
  plan(folder: string): ProcessPlan;
  figures(finished: FinishedProcess, folder: string): Figures | Promise<Figures>;
}

/** What one process of a contestant gave. */
export interface Sample {
  figures: Figures;
  peakBytes: number | null;
}

/** One turn of every contestant, by name. */
export type Round = Record<string, Sample>;

/** Processes that are run by turns; several rows may be read from the same rounds. */
export interface Experiment {
  /** The contestants, in their order; throws Unavailable where one cannot run here. */
  contestants(surroundings: Surroundings): Promise<Record<string, Contestant>>;
}

/** One row: an entry of the table in rows.ts. */
export interface Row {
  name: string;
  description: string;
  experiment: Experiment;
  onRequest?: boolean; // only measured when it is named
  report(rounds: Round[]): RowReport;
}

/** A row as it is printed, times in seconds. A row may say more than every row must. */
export interface RowReport {
  name: string;
  ours: number; // median over the rounds
  peer: number;
  ratio: number; // peer / ours: above 1 we are faster
  spread: number; // (largest − smallest ratio of a round) / their median
  peakBytes: number | null; // largest over the rounds
  peerPeakBytes: number | null;
  target?: Target; // where the row has one
  memoryTarget?: Target; // of peakBytes / peerPeakBytes, likewise
  [extra: string]: unknown;
}

/** What a row must reach, and whether it did: one number held against one limit. */
export interface Target {
  value: number;
  atMost?: number;
  atLeast?: number;
  unit: "×" | "s";
  met: boolean;
}

/** Something that an experiment needs is missing here: the row is skipped and the reason told. */
export class Unavailable extends Error {
  override name = "Unavailable";
}

/** Root of the repository, with a slash at its end. */
export const root = new URL("../../", import.meta.url);
