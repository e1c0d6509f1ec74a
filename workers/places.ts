// Where a server works on this machine, out of its settings and the environment: the folders that
// permissions.ts names, and the variables that Workers without an environment are told.
import { isAbsolute, join, resolve } from "node:path";
import { hubOptions } from "../data/hub.ts";
import type { Places } from "./permissions.ts";
import type { ServeConfig } from "./serve_config.ts";
import type { Variables } from "./threads.ts";

type Env = (name: string) => string | undefined;

/**
 * The folders of a server, absolute; those of runs and files as they really are, because adapters,
 * models and data sets are found by their real paths, and permissions are about the words of a path.
 */
export async function placesOf(
  config: Pick<ServeConfig, "runs" | "files">,
  env: Env,
): Promise<Places> {
  const runs = await realPath(config.runs);
  // Without a home folder, what is kept between runs goes beside the runs.
  const home = env("XDG_CACHE_HOME") || (env("HOME") && join(env("HOME") ?? "", ".cache")) || "";
  const cache = isAbsolute(home) ? join(home, "panacea") : join(runs, ".cache");
  return {
    runs,
    files: config.files === undefined ? null : await realPath(config.files),
    hub: resolve(hubOptions(env).cacheDir),
    cache,
    references: join(cache, "reference"),
    graphs: join(cache, "graphs"),
  };
}

async function realPath(path: string): Promise<string> {
  return await Deno.realPath(path).catch(() => resolve(path)); // of nothing there yet
}

/** What a Worker that computes is told: where the caches lie, and that it has no network. */
export function computeVariables(env: Env): Variables {
  return { ...chosen(env, CACHES), HF_HUB_OFFLINE: "1" };
}

/** What a Worker that downloads is told: the caches, the hub, and where Python's tools are. */
export function downloadVariables(env: Env): Variables {
  return chosen(env, [...CACHES, ...HUB, "PATH"]);
}

const CACHES = [
  "HOME",
  "USERPROFILE",
  "XDG_CACHE_HOME",
  "HF_HOME",
  "HF_HUB_CACHE",
  "HUGGINGFACE_HUB_CACHE",
];
const HUB = [
  "HF_ENDPOINT",
  "HF_TOKEN",
  "HUGGING_FACE_HUB_TOKEN",
  "HF_TOKEN_PATH",
  "HF_HUB_OFFLINE",
  "TRANSFORMERS_OFFLINE",
];

function chosen(env: Env, names: string[]): Variables {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = env(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
