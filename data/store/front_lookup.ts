// Fronts that lie beside an adapter: found again by what they were evaluated on. A report that has
// been read is held as long as its file stays the same, so that an answer from the store costs a look
// at the folder and the reading of a picture and a table.
import { basename, join } from "node:path";
import { FrontReport } from "../../core/front/report.ts";
import { CorruptFileError } from "../../core/errors.ts";
import { frontName, FrontSettings } from "./front_settings.ts";
import { frontNames, FRONTS } from "./fronts.ts";
import { hideFolders } from "./hide_folders.ts";
import { decodeJson } from "./json.ts";

/** A front as it lies on the disk; absolute paths in the report are cut to their last part. */
export interface StoredFront {
  report: FrontReport;
  svg: string;
  csv: string;
  /** Picture and table of the rewards behind the points, where they are rewards. */
  rewards?: { svg: string; csv: string };
}

/** A report, and the name that its settings have; null where they are not all there. */
interface ReadFront {
  report: FrontReport;
  key: string | null;
}

/** What was read, null where it cannot be used, and what its file looked like then. */
interface Held {
  state: string;
  front: ReadFront | null;
}

const MOST_HELD = 64;
const held = new Map<string, Held>(); // by path, the longest unused first

/**
 * The stored front of the adapter in `folder` that was evaluated with exactly `wanted`, or null.
 * A damaged front counts as none: it is measured again.
 */
export async function findFront(
  folder: string,
  wanted: FrontSettings,
): Promise<StoredFront | null> {
  const key = frontName(wanted);
  const names = await frontNames(folder);
  // The front that a job made for these settings has their digest for a name.
  for (const name of names.sort((a, b) => Number(b === key) - Number(a === key))) {
    const found = await readFront(folder, name);
    const path = join(folder, FRONTS, name);
    const drawn = found?.key === key ? await readDrawn(path) : null;
    if (!found || !drawn) continue;
    const rewards = found.report.distributions && await readDrawn(`${path}.rewards`);
    return { report: found.report, ...drawn, ...rewards && { rewards } };
  }
  return null;
}

/** The fronts of a run folder by name; damaged ones are left out. */
export async function readFrontReports(folder: string): Promise<Record<string, FrontReport>> {
  const reports: Record<string, FrontReport> = {};
  for (const name of await frontNames(folder)) {
    const front = await readFront(folder, name);
    if (front) reports[name] = front.report;
  }
  return reports;
}

async function readFront(folder: string, name: string): Promise<ReadFront | null> {
  const path = join(folder, FRONTS, `${name}.json`);
  const info = await Deno.stat(path).catch(() => null);
  if (info === null) return null;
  const state = `${info.ino} ${info.size} ${info.mtime?.getTime()} ${info.ctime?.getTime()}`;
  const known = held.get(path);
  held.delete(path);
  const entry = known?.state === state ? known : { state, front: await load(path, folder) };
  held.set(path, entry);
  for (const oldest of held.keys()) {
    if (held.size <= MOST_HELD) break;
    held.delete(oldest);
  }
  return entry.front;
}

/** Picture and table of a front, null where one is missing. */
async function readDrawn(path: string): Promise<{ svg: string; csv: string } | null> {
  try {
    return {
      svg: await Deno.readTextFile(`${path}.svg`),
      csv: await Deno.readTextFile(`${path}.csv`),
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function load(path: string, folder: string): Promise<ReadFront | null> {
  try {
    const stored = decodeJson(await Deno.readFile(path), { schema: FrontReport, path });
    const key = FrontSettings.safeParse(stored.settings);
    const { dataset, rewardModel } = stored.settings;
    const settings = {
      ...stored.settings,
      ...typeof dataset === "string" && { dataset: hideFolders(dataset) },
      ...typeof rewardModel === "string" && { rewardModel: hideFolders(rewardModel) },
    };
    return {
      report: { ...stored, adapter: basename(folder), settings },
      key: key.success ? frontName(key.data) : null,
    };
  } catch (error) {
    if (error instanceof CorruptFileError || error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
