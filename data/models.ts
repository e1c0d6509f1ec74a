// Opens a model wherever it lies: a Hugging Face folder, a GGUF file, or an id on the model hub.
// First step of every command that computes; core/models reads what is opened here.
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { CorruptFileError, InputError } from "../core/errors.ts";
import type { DecoderConfig } from "../core/models/config.ts";
import { familyOfConfigJson, familyOfGguf } from "../core/models/families.ts";
import { openGguf } from "../core/models/gguf.ts";
import { ggufWeights, openShards, type WeightSource } from "../core/models/weights.ts";
import { ggufTextFiles } from "../core/text/tokenizer_files.ts";
import type { TextFiles } from "../core/text/tokenizer.ts";
import { type FileSource, fileSource, readJson, readText, statOrNull } from "./files.ts";
import { downloadModel, type HubOptions } from "./hub.ts";
import type { HubProgress } from "./hub_cache.ts";
import {
  isHubId,
  isPlainFileName,
  pickleFile,
  shardNames,
  smallFiles,
  WeightIndex,
} from "./model_files.ts";

/** A model ready to be loaded into an engine. */
export interface OpenedModel {
  /** What the user called it. */
  name: string;
  config: DecoderConfig;
  weights: WeightSource;
  /** Tokenizer and chat template files; see core/text/tokenizer.ts. */
  text: TextFiles;
  /**
   * Everything but weights that a model folder of the same kind holds, by file name: as it lies in
   * this one, or made from a GGUF file's metadata. config.json is not among it. Throws InputError
   * where the metadata cannot be written so.
   */
  textFiles(): Promise<Record<string, Uint8Array | string>>;
  /** sha256 (hex) over configuration and weights: equal only for equal models. */
  fingerprint: string;
  /** Closes the weight files; `weights` cannot be read afterwards. */
  close(): void;
}

/**
 * Opens a model folder, a .gguf file or a hub id, and checks that it is complete.
 * Anything that is not on disk and reads like a hub id is looked for there, with `hub`'s settings.
 * Throws InputError for what cannot be used, CorruptFileError for damaged files, both naming it.
 */
export async function openModel(
  nameOrPath: string,
  { revision = "main", hub, onProgress }: {
    revision?: string;
    hub?: HubOptions;
    onProgress?: (progress: HubProgress) => void;
  } = {},
): Promise<OpenedModel> {
  const found = await statOrNull(nameOrPath);
  if (found?.isDirectory) return await openFolder(nameOrPath, nameOrPath);
  if (found) return await openFile(nameOrPath);
  if (!hub || !isHubId(nameOrPath)) {
    throw new InputError(
      `Cannot open model ${nameOrPath}: expected a folder, a .gguf file or a hub id, ` +
        `got nothing there`,
    );
  }
  const folder = await downloadModel(nameOrPath, { revision, hub, onProgress });
  return await openFolder(folder, nameOrPath);
}

async function openFile(path: string): Promise<OpenedModel> {
  if (!/\.gguf$/i.test(path)) {
    throw new InputError(
      `Cannot open model ${path}: expected a .gguf file or a folder with config.json and ` +
        `safetensors, got a file ${basename(path)}`,
    );
  }
  const source = fileSource(path);
  return await closingOnError([source], async () => {
    const file = await openGguf(source);
    const config = await familyOfGguf(file).fromGguf(file);
    const weights = ggufWeights(file, config);
    return {
      name: path,
      config,
      weights,
      text: { kind: "gguf", metadata: file.metadata },
      textFiles: () => Promise.resolve(ggufTextFiles(file.metadata)),
      fingerprint: await fingerprint(config, [source]),
      close: () => source.close(),
    };
  });
}

async function openFolder(folder: string, name: string): Promise<OpenedModel> {
  const configPath = join(folder, "config.json");
  if (!await statOrNull(configPath)) {
    throw new InputError(`Cannot open model ${folder}: expected a config.json in it, got none`);
  }
  const json = await readObject(configPath);
  const config = familyOfConfigJson(json, configPath).fromConfigJson(json, configPath);
  await addStops(config, join(folder, "generation_config.json"));
  const { files, weightMap } = await weightFiles(folder);
  const shards = new Map<string, FileSource>();
  return await closingOnError(shards.values(), async () => {
    for (const file of files) shards.set(file, fileSource(join(folder, file)));
    const weights = await openShards(shards, { config, folder, weightMap });
    return {
      name,
      config,
      weights,
      text: await textFiles(folder),
      textFiles: () => readSmallFiles(folder),
      fingerprint: await fingerprint(config, [...shards.values()]),
      close: () => shards.forEach((source) => source.close()),
    };
  });
}

/** Weight files of a folder: those of the index where there is one, else model.safetensors. */
async function weightFiles(
  folder: string,
): Promise<{ files: string[]; weightMap?: Record<string, string> }> {
  const indexPath = join(folder, "model.safetensors.index.json");
  if (await statOrNull(indexPath)) {
    const index = WeightIndex.safeParse(await readJson(indexPath));
    const files = index.success ? shardNames(index.data) : [];
    if (!index.success || files.length === 0 || !files.every(isPlainFileName)) {
      throw new CorruptFileError(
        `Cannot read ${indexPath}: expected a weight_map to .safetensors files beside it, ` +
          `got something else`,
      );
    }
    return { files, weightMap: index.data.weight_map };
  }
  if (await statOrNull(join(folder, "model.safetensors"))) return { files: ["model.safetensors"] };
  const names: string[] = [];
  for await (const entry of Deno.readDir(folder)) names.push(entry.name);
  const pickle = names.find(pickleFile);
  throw new InputError(
    `Cannot open model ${folder}: expected model.safetensors, got ` +
      (pickle ? `${pickle}, a format that can carry code` : "no weights"),
  );
}

/** Adds generation_config.json's end tokens: chat models list theirs there. */
async function addStops(config: DecoderConfig, path: string): Promise<void> {
  if (!await statOrNull(path)) return;
  const { eos_token_id: stops } = await readObject(path);
  const ids = [stops ?? []].flat().filter((id) => typeof id === "number");
  config.eosTokenIds = [...new Set([...config.eosTokenIds, ...ids])];
}

async function textFiles(folder: string): Promise<TextFiles> {
  const tokenizerPath = join(folder, "tokenizer.json");
  const configPath = join(folder, "tokenizer_config.json");
  const templatePath = join(folder, "chat_template.jinja");
  const hasTemplate = await statOrNull(templatePath);
  return {
    kind: "huggingface",
    tokenizer: await statOrNull(tokenizerPath) ? await readJson(tokenizerPath) : null,
    tokenizerConfig: await statOrNull(configPath) ? await readJson(configPath) : null,
    ...hasTemplate && { chatTemplate: await readText(templatePath) },
  };
}

/** The small files of a folder but its configuration, as they are. */
async function readSmallFiles(folder: string): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const name of smallFiles) {
    const path = join(folder, name);
    if (name !== "config.json" && await statOrNull(path)) files[name] = await Deno.readFile(path);
  }
  return files;
}

async function readObject(path: string): Promise<Record<string, unknown>> {
  const json = await readJson(path);
  if (typeof json === "object" && json !== null && !Array.isArray(json)) {
    return json as Record<string, unknown>;
  }
  throw new CorruptFileError(`Cannot read ${path}: expected a JSON object, got something else`);
}

async function fingerprint(config: DecoderConfig, sources: FileSource[]): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(config));
  const step = 2 ** 23;
  for (const source of sources) {
    hash.update(`\n${source.size}\n`);
    for (let at = 0; at < source.size; at += step) {
      hash.update(await source.read(at, Math.min(step, source.size - at)));
    }
  }
  return hash.digest("hex");
}

async function closingOnError<T>(
  sources: Iterable<FileSource>,
  open: () => Promise<T>,
): Promise<T> {
  try {
    return await open();
  } catch (error) {
    for (const source of sources) source.close();
    throw error;
  }
}
