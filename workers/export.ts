// A stored adapter in the format of another tool: reads the adapter, checks λ and the base model, and
// has export_formats.ts write the folder with a card and a record of what it is made of.
import { basename, join, resolve } from "node:path";
import type { RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";
import { frontSvg } from "../core/front/render.ts";
import type { FrontReport } from "../core/front/report.ts";
import { parsePreference } from "../core/preference.ts";
import { BuiltinModel } from "../data/builtin/mod.ts";
import { statOrNull } from "../data/files.ts";
import { isHubId } from "../data/model_files.ts";
import type { OpenedModel } from "../data/models.ts";
import {
  encodeExportRecord,
  EXPORT_RECORD,
  type ExportRecord,
  prepareExport,
} from "../data/store/exports.ts";
import { readFrontReports } from "../data/store/front_lookup.ts";
import { MODEL, openAdapter, type StoredAdapter } from "../data/store/run_folder.ts";
import { exportCard } from "./export_card.ts";
import { dataLicense } from "./model_card.ts";
import { type ExportFormatEntry, exportFormats, type ExportSubject } from "./export_formats.ts";
import { adapterFolder, runOf } from "./front_settings.ts";
import { baseOf, openFiles } from "./machine.ts";
import type { ExportReport, ExportRequest, SessionOptions } from "./protocol.ts";
import { checkBase, checkBaseWeights, fromTensors, restoreAdapter } from "./stored_adapter.ts";
import { FINAL_FRONT } from "./training.ts";

const PICTURE = "front.svg";

/**
 * Writes the adapter to `request.output`. Throws InputError for a λ that the format or the adapter
 * does not take, an adapter that cannot be written so, a base model that is not the adapter's, and a
 * place that holds something else; NotFoundError and CorruptFileError as openAdapter; StorageError
 * where it cannot be written, and then what was there stays.
 */
export async function runExport(
  request: ExportRequest,
  options: SessionOptions,
): Promise<ExportReport> {
  const format: ExportFormatEntry = exportFormats[request.format];
  checkDtype(request, format);
  const run = await runOf(request.adapter);
  refuseFullTuning(request, run);
  const stored = await openAdapter(adapterFolder(request));
  const { config } = stored;
  const preference = readPreference(request, { format, dimensions: config.dimensions });
  const adapter = restoreAdapter(config);
  const parameters = fromTensors(stored.tensors);
  await prepareExport(request.output);
  const name = basename(resolve(request.adapter));
  const base = request.base ?? await publicName(config.base_model);
  const model = { model: config.base_model, revision: run?.revision ?? "main" };
  const opened = await openFiles(model, options);
  try {
    checkOpened(opened, { stored, name, format });
    const ranks = await format.write({
      adapted: { adapter, parameters, modules: config.modules },
      dimensions: config.dimensions,
      ...{ preference, opened, name, base, output: request.output },
      dtype: request.dtype ?? "float32",
      page: () => readPage(request),
      describe: describing(request, { stored, run, name, base, preference }),
      onWeight(done, total) {
        options.signal.throwIfAborted();
        options.onEvent({ type: "progress", what: "Writing weights", done, total });
      },
    });
    const files = await writtenFiles(request.output);
    return {
      ...{ output: request.output, format: request.format, preference, base, ranks },
      files: files.map(({ path }) => path),
      bytes: files.reduce((sum, { size }) => sum + size, 0),
    };
  } finally {
    opened.close();
  }
}

/** What is written beside the files of the format: card, record, picture of the front. */
function describing(
  { format, adapter, license }: ExportRequest,
  { stored, run, name, base, preference }: {
    stored: StoredAdapter;
    run: RunConfig | null;
    name: string;
    base: string;
    preference: number[] | null;
  },
): ExportSubject["describe"] {
  const { config, parametersHash } = stored;
  return async (loras) => {
    const stated = license ?? (run ? await dataLicense(run) : undefined);
    const record: ExportRecord = {
      format: "panacea-export",
      version: 1,
      kind: format,
      adapter: name,
      adapter_sha256: parametersHash,
      base_model: base,
      base_fingerprint: config.base_fingerprint,
      dimensions: config.dimensions,
      preference,
      ...loras && { loras },
    };
    const front = await frontOf(adapter, parametersHash);
    return {
      "README.md": exportCard(record, { config, run, front, picture: PICTURE, license: stated }),
      [EXPORT_RECORD]: encodeExportRecord(record),
      ...front && { [PICTURE]: frontSvg(front) },
    };
  };
}

function checkDtype({ format, dtype }: ExportRequest, { dtypes }: ExportFormatEntry): void {
  if (dtype === undefined || dtypes.includes(dtype)) return;
  const expected = dtypes.length > 1
    ? `dtype to be one of ${dtypes.join(", ")}`
    : "no dtype, because a LoRA is stored in float32";
  throw new InputError(`Cannot export ${format}: expected ${expected}, got ${dtype}`);
}

async function readPage({ format, page }: ExportRequest): Promise<Record<string, Uint8Array>> {
  const files = await page?.() ?? {};
  if (Object.keys(files).length > 0) return files;
  throw new InputError(
    `Cannot export ${format}: expected the page that runs it (made by deno task offline_page), got none`,
  );
}

function refuseFullTuning({ adapter }: ExportRequest, run: RunConfig | null): void {
  if (run?.tuning !== "full") return;
  throw new InputError(
    `Cannot export ${adapter}: expected a run with an adapter, got one that trained all weights, ` +
      `whose folder ${MODEL} transformers opens as it is`,
  );
}

/** λ of the export; null where the format serves every λ. */
function readPreference(
  { format, preference }: ExportRequest,
  { format: { isForOnePreference }, dimensions }: {
    format: ExportFormatEntry;
    dimensions: string[];
  },
): number[] | null {
  if (!isForOnePreference) {
    if (preference === undefined) return null;
    throw new InputError(
      `Cannot export ${format}: expected no preference, because its files serve every λ, got ` +
        preference,
    );
  }
  if (preference !== undefined) return parsePreference(preference, dimensions);
  if (dimensions.length === 1) return [1];
  throw new InputError(
    `Cannot export ${format}: expected a preference with a weight for each of ${
      dimensions.join(", ")
    }, got none`,
  );
}

function checkOpened(
  opened: OpenedModel,
  { stored: { config }, name, format }: {
    stored: StoredAdapter;
    name: string;
    format: ExportFormatEntry;
  },
): void {
  if (format.hasText) checkBase(config, baseOf(opened, { model: config.base_model }), name);
  else checkBaseWeights(config, opened, name);
}

/** What others may call a base model: its hub id, or its name without the folders around it. */
async function publicName(model: string): Promise<string> {
  if (model === BuiltinModel.name) return model;
  return isHubId(model) && await statOrNull(model) === null ? model : basename(model);
}

/** The stored front of exactly these parameters: the final one where there are several. */
async function frontOf(
  adapter: string,
  parametersHash: string,
): Promise<FrontReport | undefined> {
  const reports = Object.entries(await readFrontReports(adapter))
    .filter(([, { settings }]) => settings.adapterHash === parametersHash);
  return Object.fromEntries(reports)[FINAL_FRONT] ?? reports[0]?.[1];
}

async function writtenFiles(
  folder: string,
): Promise<{ path: string; size: number }[]> {
  const files: { path: string; size: number }[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) files.push(...await writtenFiles(path));
    else files.push({ path, size: (await Deno.stat(path)).size });
  }
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}
