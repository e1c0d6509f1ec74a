// Makes what computing needs lie on this machine. The supervisor looks first, and only where
// something is missing does it start a fetch Worker: a server without a network serves what is there.
import { BuiltinModel } from "../data/builtin/mod.ts";
import { statOrNull } from "../data/files.ts";
import { downloadModel, hubOptions } from "../data/hub.ts";
import { isHubId } from "../data/model_files.ts";
import { findLibtensorflow, type NativeLibrary } from "../data/native.ts";
import type { FetchCall, FetchItem } from "./fetch_worker.ts";
import { fetchDataset, hubPlaces } from "./hub_data.ts";
import { fetchPermissions, type Places } from "./permissions.ts";
import { downloadVariables } from "./places.ts";
import type { SessionEvent } from "./protocol.ts";
import { classifierFolder } from "./rewards/classifier.ts";
import { connect } from "./rpc.ts";
import { openLine, startThread } from "./thread.ts";

type Env = (name: string) => string | undefined;

/** What a download tells, and what ends it. */
export interface DownloadOptions {
  onEvent: (event: SessionEvent) => void;
  signal: AbortSignal;
}

/** The machine's supply of models and libraries. */
export interface Downloads {
  /**
   * Resolves when `name` needs no network any more: at once for a file, a folder and what is no
   * hub id. Throws InputError where the hub does not have it or cannot be reached.
   */
  model(model: { name: string; revision: string }, options: DownloadOptions): Promise<void>;
  /** Likewise for the data sets of the hub that a dataset option names. */
  dataset(spec: string, options: DownloadOptions): Promise<void>;
  /** Likewise for an ONNX classifier, whose files are others. */
  classifier(name: string, options: DownloadOptions): Promise<void>;
  /** The library, or why there is none. A fetch that failed is not tried again for a while. */
  libtensorflow(options: DownloadOptions): Promise<NativeLibrary>;
}

/** After a failed fetch, jobs that come soon compute without the library instead of waiting again. */
const RETRY_MS = 10 * 60_000;

/** Supply through the caches in `places`. */
export function createDownloads({ places, env }: { places: Places; env: Env }): Downloads {
  let missing = { reason: "", until: -Infinity };

  return {
    async model({ name, revision }, options) {
      if (!await isOnHub(name)) return;
      const cached = (env: Env) => downloadModel(name, { revision, hub: hubOptions(env) });
      if (await needsNoFetch(env, cached)) return;
      await fetchInWorker({ kind: "model", name, revision }, { ...options, places, env });
    },

    async dataset(spec, options) {
      for (const place of (await hubPlaces(spec)).values()) {
        const cached = (env: Env) => fetchDataset(place, { env, onEvent: () => {} });
        if (await needsNoFetch(env, cached)) continue;
        await fetchInWorker({ kind: "dataset", place }, { ...options, places, env });
      }
    },

    async classifier(name, options) {
      if (!await isOnHub(name)) return;
      const cached = (env: Env) => classifierFolder(name, { env, onEvent: () => {} });
      if (await needsNoFetch(env, cached)) return;
      await fetchInWorker({ kind: "classifier", name }, { ...options, places, env });
    },

    async libtensorflow(options) {
      const found = await findLibtensorflow({ env, onProgress: () => {}, download: false });
      // A folder of the user's own is used or not; nothing is fetched into it.
      if (!("missing" in found) || env("LIBTENSORFLOW_DIR")) return found;
      if (performance.now() < missing.until) return { missing: missing.reason };
      const fetched = await fetchInWorker({ kind: "libtensorflow" }, { ...options, places, env }) ??
        found;
      if ("missing" in fetched) {
        missing = { reason: fetched.missing, until: performance.now() + RETRY_MS };
      }
      return fetched;
    },
  };
}

/** The same environment, in which nothing but the cache is there. */
export function offline(env: Env): Env {
  return (name) => name === "HF_HUB_OFFLINE" ? "1" : env(name);
}

/** Whether a model's name can only be an id on the hub. */
async function isOnHub(name: string): Promise<boolean> {
  return name !== BuiltinModel.name && isHubId(name) && await statOrNull(name) === null;
}

/** Whether the cache holds what `open` opens; also where nothing may be fetched anyway. */
async function needsNoFetch(env: Env, open: (env: Env) => Promise<unknown>): Promise<boolean> {
  return hubOptions(env).offline || await open(offline(env)).then(() => true, () => false);
}

async function fetchInWorker(
  wanted: FetchCall["wanted"],
  { places, env, onEvent, signal }: DownloadOptions & { places: Places; env: Env },
): Promise<NativeLibrary | null> {
  signal.throwIfAborted();
  const thread = await startThread(new URL("./fetch_worker.ts", import.meta.url), {
    name: "fetch",
    permissions: fetchPermissions(places, { tokenFile: hubOptions(env).tokenFile ?? null }),
  });
  // What is half fetched is worthless: there is nothing to save when it is to stop.
  const stop = () => thread.stop();
  signal.addEventListener("abort", stop);
  try {
    const line = openLine();
    thread.watch(line);
    thread.post({ type: "init", port: line.far }, [line.far]);
    const client = connect(line.near);
    thread.ended.then((reason) => client.fail(new Error(`Cannot fetch: ${reason}`)));
    const call: FetchCall = { wanted, variables: downloadVariables(env) };
    for await (const item of client.stream<FetchItem>("fetch", call)) {
      if (item.type === "fetched") return item.libtensorflow;
      onEvent(item);
    }
    return null;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    thread.stop();
  }
}
