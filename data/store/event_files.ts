// tensorboard/: what metrics.jsonl says, as event files that `tensorboard --logdir` opens while a run
// goes on. Files are only ever appended to, as their readers hold them open: each session of a run
// begins one of its own, which says from which step on it replaces the earlier ones.
import { join } from "node:path";
import { appendDurably, reportingStorage } from "./atomic.ts";
import type { MetricRow } from "./metrics.ts";
import { scalarsRecord, startRecord, versionRecord } from "./tfevents.ts";

/** The folder of event files in a run. */
export const EVENTS = "tensorboard";

/** One session's event file in a run folder; it is begun with its first rows. */
export class EventFile {
  readonly #folder: string;
  readonly #from: number;
  #path: string | null = null;

  /** `from`: the step from which on it replaces what earlier sessions told. */
  constructor(run: string, { from }: { from: number }) {
    this.#folder = join(run, EVENTS);
    this.#from = from;
  }

  /** Appends the numbers of rows under `train/<name>`; throws StorageError. */
  async append(rows: MetricRow[]): Promise<void> {
    const wallTime = Date.now() / 1000;
    const path = this.#path ?? await nextName(this.#folder);
    const head = this.#path === null
      ? [versionRecord(wallTime), startRecord({ wallTime, step: this.#from })]
      : [];
    const records = rows.map(({ step, ...columns }) =>
      scalarsRecord({ wallTime, step }, scalarsOf(columns))
    );
    await appendDurably(path, await new Blob([...head, ...records]).bytes());
    this.#path = path;
  }
}

/** A name behind those of earlier sessions, as readers take files in the order of their names. */
async function nextName(folder: string): Promise<string> {
  await reportingStorage(folder, 0, () => Deno.mkdir(folder, { recursive: true }));
  const earlier = (await Array.fromAsync(Deno.readDir(folder))).length;
  const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, "0");
  return join(folder, `events.out.tfevents.${seconds}.${String(earlier).padStart(4, "0")}`);
}

function scalarsOf(columns: Record<string, unknown>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(columns).flatMap(([name, value]) =>
      typeof value === "number" ? [[`train/${name}`, value]] : []
    ),
  );
}
