// records/<run>.json: what a finished or failed run of a reproduction came to. A record is good for
// the settings that it was made with, and for no others; the report is made of the records alone.
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../core/errors.ts";
import { RunRecord, Sample } from "../../core/report/results.ts";
import { reportingStorage, writeFileAtomic } from "../../data/store/atomic.ts";
import { decodeJson, encodeJson } from "../../data/store/json.ts";
import { sha256 } from "../../data/store/manifest.ts";
import type { PlannedRun } from "./plan.ts";

const StoredRecord = z.strictObject({
  format: z.literal("panacea-reproduction-run"),
  version: z.literal(1),
  /** Hash of what was planned. */
  planned: z.string(),
  /** Seconds that were spent on it before it was done, in earlier sessions. */
  spent: z.number().nonnegative(),
  record: RunRecord,
});
/** A record with what it is of. */
export type StoredRecord = z.infer<typeof StoredRecord>;

const StoredSamples = z.strictObject({
  format: z.literal("panacea-reproduction-samples"),
  version: z.literal(1),
  /** Hash of adapter and prompts. */
  of: z.string(),
  samples: z.array(Sample),
});

/** The records of one output folder. */
export interface Records {
  /**
   * What is known of a planned run, null where it was never begun. Throws InputError where the
   * record is of other settings, CorruptFileError where it is damaged.
   */
  load(run: PlannedRun): Promise<Pick<StoredRecord, "spent" | "record"> | null>;
  /** Throws StorageError. */
  save(run: PlannedRun, stored: Pick<StoredRecord, "spent" | "record">): Promise<void>;
  /** The answers made of these adapter and prompts, null where there are none. */
  loadSamples(of: string): Promise<Sample[] | null>;
  saveSamples(of: string, samples: Sample[]): Promise<void>;
}

/** The records under `outputDir`. */
export function openRecords(outputDir: string): Records {
  const folder = join(outputDir, "records");
  const place = (name: string) => join(folder, `${name}.json`);

  async function write(name: string, value: unknown): Promise<void> {
    const text = encodeJson(value, { name }) + "\n";
    await reportingStorage(folder, text.length, () => Deno.mkdir(folder, { recursive: true }));
    await writeFileAtomic(place(name), text);
  }

  return {
    async load(run) {
      const stored = await read(place(run.name), StoredRecord);
      if (stored === null) return null;
      if (stored.planned === hashOf(run)) return stored;
      throw new InputError(
        `Cannot go on with ${run.name} in ${outputDir}: expected the settings it was made with, ` +
          "got others; give the same flags, or another --output_dir",
      );
    },
    save: (run, { spent, record }) =>
      write(run.name, {
        format: "panacea-reproduction-run",
        version: 1,
        planned: hashOf(run),
        spent,
        record,
      }),
    async loadSamples(of) {
      const stored = await read(place("samples"), StoredSamples);
      return stored?.of === of ? stored.samples : null;
    },
    saveSamples: (of, samples) =>
      write("samples", { format: "panacea-reproduction-samples", version: 1, of, samples }),
  };
}

/** Equal for runs that learn and measure the same; where it computes and lies does not matter. */
function hashOf({ config, ...run }: PlannedRun): string {
  const { engine: _, threads: __, device: ___, output_dir: ____, ...learned } = config;
  return sha256(encodeJson({ ...run, config: learned }, { name: run.name, indent: 0 }));
}

async function read<T extends z.ZodType>(path: string, schema: T): Promise<z.infer<T> | null> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  return decodeJson(bytes, { schema, path });
}
