// Models and data sets from the Hugging Face hub, kept in the cache that the Python libraries share
// ({models,datasets}--owner--name/{blobs,refs,snapshots}). The only place that downloads them; only
// configuration, tokenizer, safetensors, ONNX and data files are ever fetched.
// The hub is spoken to through @huggingface/hub. Its own cache download prints to standard output
// and does not check what it received, so files are written and verified here.
import {
  datasetInfo,
  HubApiError,
  type ListFileEntry,
  listFiles,
  modelInfo,
} from "@huggingface/hub";
import { basename, join } from "node:path";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { type HubPlace, selectFiles } from "./datasets/places.ts";
import { readJson, statOrNull } from "./files.ts";
import { fetchToCache, type HubFile, type HubProgress, writeWhole } from "./hub_cache.ts";
import { isPlainFileName, pickleFile, shardNames, smallFiles, WeightIndex } from "./model_files.ts";

/** Where the hub and its cache are; made by hubOptions() from the environment. */
export interface HubOptions {
  /** Base address; undefined is the public hub. */
  endpoint?: string;
  /** Access token for private and gated models. */
  token?: string;
  /** File that holds a token where `token` is not given; need not exist. */
  tokenFile?: string;
  /** Folder of the cache, `$HF_HOME/hub`. */
  cacheDir: string;
  /** Whether only the cache may be used. */
  offline: boolean;
}

/**
 * Hub settings from environment variables, under the names and defaults of the Python libraries:
 * HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_CACHE, XDG_CACHE_HOME, HF_HUB_OFFLINE.
 */
export function hubOptions(env: (name: string) => string | undefined): HubOptions {
  const home = env("HOME") || env("USERPROFILE") || ".";
  const hfHome = env("HF_HOME") ||
    join(env("XDG_CACHE_HOME") || join(home, ".cache"), "huggingface");
  const offline = env("HF_HUB_OFFLINE") || env("TRANSFORMERS_OFFLINE") || "";
  return {
    endpoint: env("HF_ENDPOINT")?.replace(/\/+$/, "") || undefined,
    token: (env("HF_TOKEN") || env("HUGGING_FACE_HUB_TOKEN"))?.trim() || undefined,
    tokenFile: env("HF_TOKEN_PATH") || join(hfHome, "token"),
    cacheDir: env("HF_HUB_CACHE") || env("HUGGINGFACE_HUB_CACHE") || join(hfHome, "hub"),
    offline: /^(1|on|yes|true)$/i.test(offline),
  };
}

/** How a repository is downloaded. */
export interface DownloadOptions {
  revision?: string; // branch, tag or commit
  hub: HubOptions;
  onProgress?: (progress: HubProgress) => void;
}

/**
 * The folder of a model's snapshot in the cache, after downloading what it lacks.
 * Without network, a complete snapshot is used as it is.
 * Throws InputError where the hub has no such model, gives no access, cannot be reached, or holds
 * no safetensors; CorruptFileError where a file arrived damaged; StorageError where it could not
 * be written.
 */
export function downloadModel(id: string, options: DownloadOptions): Promise<string> {
  return downloadSnapshot({ kind: "model", id }, {
    ...options,
    inFolders: false,
    isComplete: hasWeights,
    async fetchFiles({ snapshot, files, fetchAll }) {
      refuseWithoutSafetensors(id, [...files]);
      await fetchAll(smallFiles.filter((name) => name === "config.json" || files.has(name)));
      await fetchAll(await weightNames(snapshot, { id, files, fetchAll }));
    },
  });
}

/**
 * The same for files of other models: of each list of `wanted` the first name that the repository
 * has. Throws as downloadModel, and InputError where it has none of a list.
 */
export function downloadFiles(
  id: string,
  { wanted, ...options }: DownloadOptions & { wanted: string[][] },
): Promise<string> {
  return downloadSnapshot({ kind: "model", id }, {
    ...options,
    inFolders: true,
    isComplete: async (snapshot) => {
      for (const names of wanted) {
        const found = await Promise.all(names.map((name) => statOrNull(join(snapshot, name))));
        if (found.every((stat) => stat === null)) return false;
      }
      return true;
    },
    async fetchFiles({ files, fetchAll }) {
      await fetchAll(wanted.map((names) => {
        const found = names.find((name) => files.has(name));
        if (found !== undefined) return found;
        throw new InputError(`Cannot open model ${id}: expected ${names[0]}, got none on the hub`);
      }));
    },
  });
}

/**
 * The files of a data set in the cache, after downloading what it lacks, as a path that dataFiles()
 * reads: a file, or a folder with its split. Which files those are is decided by their names, as of a
 * folder on the disk. Without network it must have been downloaded whole before.
 * Throws as downloadModel, and InputError where no file fits.
 */
export async function downloadDataset(
  { id, within, split, revision }: HubPlace,
  options: Omit<DownloadOptions, "revision">,
): Promise<string> {
  const asked = `${within}:${split ?? ""}`;
  const snapshot = await downloadSnapshot({ kind: "dataset", id }, {
    ...options,
    revision,
    inFolders: true,
    async isComplete(snapshot) {
      const names = (await readSelections(snapshot))[asked] ?? [];
      const found = await Promise.all(names.map((name) => statOrNull(join(snapshot, name))));
      return names.length > 0 && found.every((stat) => stat !== null);
    },
    async fetchFiles({ snapshot, files, fetchAll }) {
      const below = [...files].filter((name) => within === "" || name.startsWith(`${within}/`));
      const chosen = files.has(within)
        ? [within]
        : selectFiles(below, { split, place: within === "" ? id : `${id}/${within}` });
      const names = files.has(README) ? [...chosen, README] : chosen; // it tells the licence
      await fetchAll(names);
      const all = { ...await readSelections(snapshot), [asked]: names };
      await writeWhole(selectionsOf(snapshot), JSON.stringify(all));
    },
  });
  const path = within === "" ? snapshot : join(snapshot, within);
  return split === undefined ? path : `${path}:${split}`;
}

const README = "README.md";

/** Files that were downloaded whole, by what was asked for: a snapshot does not tell what it lacks. */
const Selections = z.record(z.string(), z.array(z.string()));

function selectionsOf(snapshot: string): string {
  return join(snapshot, "..", "..", ".panacea", `${basename(snapshot)}.json`);
}

async function readSelections(snapshot: string): Promise<z.infer<typeof Selections>> {
  const path = selectionsOf(snapshot);
  if (!await statOrNull(path)) return {};
  return Selections.safeParse(await readJson(path)).data ?? {};
}

/** A repository of the hub while its files are fetched. */
interface Fetching {
  snapshot: string; // folder
  files: ReadonlySet<string>; // all names
  fetchAll(names: string[]): Promise<void>;
}

/** What differs between the kinds of repositories. */
const kinds = {
  model: {
    folder: "models",
    repo: (id: string) => id,
    info: (asked: Asked) => modelInfo({ ...asked, additionalFields: ["sha"] }),
    local: "a folder, a .gguf file",
    terms: "the model's terms",
  },
  dataset: {
    folder: "datasets",
    repo: (id: string) => `datasets/${id}`,
    info: (asked: Asked) => datasetInfo({ ...asked, additionalFields: ["sha"] }),
    local: "a file, a folder",
    terms: "the data set's terms",
  },
} as const;

interface Asked extends Access {
  name: string;
  revision: string;
  fetch: typeof impatientFetch;
}

interface Repository {
  kind: keyof typeof kinds;
  id: string; // owner/name
}

async function downloadSnapshot(
  repository: Repository,
  { revision = "main", hub, onProgress, inFolders, isComplete, fetchFiles }: DownloadOptions & {
    inFolders: boolean; // whether files in folders of the repository are wanted too
    isComplete: (snapshot: string) => Promise<boolean>;
    fetchFiles: (repository: Fetching) => Promise<void>;
  },
): Promise<string> {
  const { id, kind } = repository;
  const { folder, repo } = kinds[kind];
  const cannot = `Cannot open ${kind} ${id}`;
  if (!/^[\w][\w./-]*$/.test(revision) || revision.split("/").includes("..")) {
    throw new InputError(`${cannot}: expected a revision, got ${revision}`);
  }
  const store = join(hub.cacheDir, `${folder}--${id.replaceAll("/", "--")}`);
  const known = await cachedSnapshot(store, revision);
  const cached = known !== null && await isComplete(known) ? known : null;
  if (hub.offline) {
    if (cached) return cached;
    throw new InputError(
      `${cannot}: expected it in ${hub.cacheDir}, got nothing there ` +
        `(HF_HUB_OFFLINE is set)`,
    );
  }
  const access = { hubUrl: hub.endpoint, accessToken: await accessToken(hub) };
  let commit: string;
  let files: Map<string, ListFileEntry>;
  try {
    commit = await resolveRevision(repository, { revision, access });
    files = await listing(repository, { commit, access, recursive: inFolders });
  } catch (error) {
    if (cached && !(error instanceof HubApiError)) return cached;
    throw hubError(repository, error);
  }
  const snapshot = join(store, "snapshots", commit);
  async function fetchAll(names: string[]): Promise<void> {
    for (const name of names) {
      const entry = files.get(name);
      if (!entry) throw new InputError(`${cannot}: expected ${name}, got none`);
      const etag = entry.lfs?.oid ?? entry.oid ?? "";
      const file: HubFile = {
        id: repo(id),
        name,
        commit,
        etag,
        size: entry.size,
        isLfs: !!entry.lfs,
      };
      await fetchToCache(file, { store, access, onProgress }).catch((error) => {
        throw hubError(repository, error);
      });
    }
  }
  await fetchFiles({ snapshot, files: new Set(files.keys()), fetchAll });
  if (revision !== commit) await writeWhole(join(store, "refs", revision), commit);
  return snapshot;
}

interface Access {
  hubUrl?: string;
  accessToken?: string;
}

async function resolveRevision(
  { kind, id }: Repository,
  { revision, access }: { revision: string; access: Access },
): Promise<string> {
  const asked = { name: id, revision, fetch: impatientFetch, ...access };
  const { sha } = await kinds[kind].info(asked);
  // it becomes a folder's name: nothing but a commit will do
  if (/^[0-9a-f]{40}$/.test(sha)) return sha;
  throw new InputError(`Cannot open ${kind} ${id}: expected a commit from the hub, got ${sha}`);
}

async function listing(
  { kind, id }: Repository,
  { commit, access, recursive }: { commit: string; access: Access; recursive: boolean },
): Promise<Map<string, ListFileEntry>> {
  const files = new Map<string, ListFileEntry>();
  const repo = kinds[kind].repo(id);
  const options = { repo, revision: commit, recursive, fetch: impatientFetch, ...access };
  for await (const entry of listFiles(options)) {
    if (entry.type === "file") files.set(entry.path, entry);
  }
  return files;
}

/** Names of a repository's weight files; fetches the index to learn them. */
async function weightNames(
  snapshot: string,
  { id, files, fetchAll }: {
    id: string;
    files: ReadonlySet<string>;
    fetchAll: (names: string[]) => Promise<void>;
  },
): Promise<string[]> {
  const indexName = "model.safetensors.index.json";
  if (!files.has(indexName)) return ["model.safetensors"];
  await fetchAll([indexName]);
  const index = WeightIndex.safeParse(await readJson(join(snapshot, indexName)));
  const names = index.success ? shardNames(index.data) : [];
  if (names.length > 0 && names.every(isPlainFileName)) return names;
  throw new InputError(
    `Cannot open model ${id}: expected ${indexName} to name .safetensors files, got other names`,
  );
}

function refuseWithoutSafetensors(id: string, names: string[]): void {
  if (names.includes("model.safetensors.index.json") || names.includes("model.safetensors")) return;
  const pickle = names.find(pickleFile);
  const gguf = names.find((name) => /\.gguf$/i.test(name));
  const found = pickle
    ? `${pickle}, a format that can carry code`
    : gguf
    ? `${gguf}; download that file and give its path`
    : "no weights";
  throw new InputError(`Cannot open model ${id}: expected model.safetensors, got ${found}`);
}

/** The snapshot a revision stood for when it was last downloaded, complete or not. */
async function cachedSnapshot(store: string, revision: string): Promise<string | null> {
  const reference = await Deno.readTextFile(join(store, "refs", revision)).catch(() => revision);
  const commit = reference.trim();
  return /^[0-9a-f]{40}$/.test(commit) ? join(store, "snapshots", commit) : null;
}

/** Whether a snapshot holds a configuration and every weight file. */
async function hasWeights(snapshot: string): Promise<boolean> {
  if (!await statOrNull(join(snapshot, "config.json"))) return false;
  const indexPath = join(snapshot, "model.safetensors.index.json");
  const index = await statOrNull(indexPath)
    ? WeightIndex.safeParse(await readJson(indexPath))
    : undefined;
  const names = index?.success ? shardNames(index.data) : ["model.safetensors"];
  for (const name of names) {
    if (!isPlainFileName(name) || !await statOrNull(join(snapshot, name))) return false;
  }
  return true;
}

async function accessToken({ token, tokenFile }: HubOptions): Promise<string | undefined> {
  const found = token ?? (tokenFile && await Deno.readTextFile(tokenFile).catch(() => ""))?.trim();
  if (found && !found.startsWith("hf_")) {
    throw new InputError("Cannot use HF_TOKEN: expected a token that starts with hf_, got another");
  }
  return found || undefined;
}

/** fetch for the hub's small answers; files themselves may take as long as they need. */
function impatientFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  return fetch(input, { ...init, signal: AbortSignal.timeout(30_000) });
}

function hubError({ kind, id }: Repository, error: unknown): unknown {
  const { local, terms } = kinds[kind];
  const cannot = `Cannot open ${kind} ${id}`;
  if (error instanceof HubApiError) {
    const status = error.statusCode;
    const hint = status === 401 || status === 403
      ? `no access (HF_TOKEN may be missing, or ${terms} not accepted)`
      : status === 404
      ? `no such ${kind} or revision`
      : `status ${status}`;
    return new InputError(`${cannot}: expected it on the hub, got ${hint}`, { cause: error });
  }
  // fetch() reports everything that kept it from an answer as TypeError or a timeout
  if (error instanceof TypeError || error instanceof DOMException) {
    return new InputError(
      `${cannot}: expected ${local} or an id on a hub that can be reached, got ${error.message}`,
      { cause: error },
    );
  }
  return error;
}
