// What each Worker of the service may do: an explicit list per Worker, everything else denied. The
// supervisor spawns Workers with these objects and no other way; tests/bars/27_privilege_test.ts
// probes them. A Worker's environment is told to it in its first message (threads.ts: Variables).
//
// Two things that these lists cannot do. Deno follows symbolic links out of a folder that may be
// read: no Worker can make one, and data/store refuses adapters that are links out of the runs
// folder. And native code is not bound by any of it: a library that may be opened may call the
// system; the lists keep out every other library, and JavaScript that would use this one's memory.
import { createRequire } from "node:module";
import process from "node:process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Permissions that name every kind, so that nothing is inherited from the supervisor. */
export type Permissions = Required<Deno.PermissionOptionsObject>;

/** Folders that the service works in; all absolute. */
export interface Places {
  /** The runs folder. */
  runs: string;
  /** Folder that models and data sets named in requests lie in, where there is one. */
  files: string | null;
  /** Cache of models from the hub. */
  hub: string;
  /** The user's cache folder of this program: libtensorflow. */
  cache: string;
  /** Log-probabilities of the reference policy. */
  references: string;
  /** Graphs and weights of the chat. */
  graphs: string;
}

const NOTHING: Permissions = {
  env: false,
  ffi: false,
  import: false,
  net: false,
  read: false,
  run: false,
  sys: false,
  write: false,
};

const project = fileURLToPath(new URL("../", import.meta.url));
const packages = join(project, "node_modules");
const builtinModel = join(project, "data", "builtin", "model");
/** What a job's own Workers, its shards, are loaded from. */
const sources = ["core", "data", "workers"].map((room) => join(project, room));

/** The web process: its own address, and nothing of this machine. */
export function webPermissions({ host, port }: { host: string; port: number }): Permissions {
  const name = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  return { ...NOTHING, net: [`${name}:${port}`] };
}

/** The chat: ONNX Runtime's library; reads models and adapters, writes its graphs. */
export function chatPermissions(
  { runs, files, hub, graphs }: Places,
  { models }: { models: string[] }, // folders and files of base models that lie elsewhere
): Permissions {
  return {
    ...NOTHING,
    ffi: [onnxRuntimeFolder()],
    sys: MEMORY,
    read: [
      packages,
      builtinModel,
      runs,
      ...(files === null ? [] : [files]),
      hub,
      graphs,
      ...models,
    ],
    write: [graphs],
  };
}

/**
 * One job: libtensorflow where it computes with it, ONNX Runtime where it generates; reads models and
 * data, writes its own run.
 */
export function jobPermissions(
  { runs, hub, references, graphs }: Places,
  { adapter, inputs, libtensorflow, generates = false, classifies = false }: {
    adapter: string; // name of the folder under `runs` that it writes
    inputs: string[]; // models and data sets that it reads
    libtensorflow: string | null; // folder
    generates?: boolean; // text, with weights out of the cache of the chat's
    classifies?: boolean; // text, through @huggingface/transformers
  },
): Permissions {
  const native = [
    ...(libtensorflow === null ? [] : [libtensorflow]),
    ...(generates || classifies ? [onnxRuntimeFolder()] : []),
    ...(classifies ? imageLibraryFolders() : []),
  ];
  const generated = generates ? [graphs] : [];
  return {
    ...NOTHING,
    env: [
      // libtensorflow.ts sets the first two for the library to read; the YAML parser looks at the others.
      ...["TF_CPP_MIN_LOG_LEVEL", "TF_OVERRIDE_GLOBAL_THREADPOOL", "LOG_STREAM", "LOG_TOKENS"],
      ...(classifies ? CLASSIFIER_ENV : []),
    ],
    ffi: native.length > 0 && native,
    read: [packages, ...sources, runs, hub, references, ...generated, ...inputs, ...native],
    sys: [...MEMORY, ...(classifies ? CLASSIFIER_SYS : [])],
    write: [join(runs, adapter), references, ...generated],
  };
}

/** How much memory is free, which a model is to fit into. */
const MEMORY: ["systemMemoryInfo"] = ["systemMemoryInfo"];

/** What @huggingface/transformers looks at while it is loaded, whether it needs it or not. */
const CLASSIFIER_ENV = [
  "npm_package_config_libvips",
  "MALLOC_ARENA_MAX",
  "ORT_DISABLE_TELEMETRY",
];
const CLASSIFIER_SYS: ("cpus" | "networkInterfaces" | "hostname")[] = [
  "cpus",
  "networkInterfaces",
  "hostname",
];

/** A download: the network and the Python tools that fetch libtensorflow; writes the caches. */
export function fetchPermissions(
  { hub, cache }: Places,
  { tokenFile }: { tokenFile: string | null }, // of the hub
): Permissions {
  return {
    ...NOTHING,
    net: true, // hubs hand files over from hosts of their own choice
    read: [hub, cache, "/proc/driver/nvidia/version", ...(tokenFile === null ? [] : [tokenFile])],
    run: ["python3", "uv"],
    write: [hub, cache],
  };
}

/** Where the image library lies that @huggingface/transformers opens, images or not. */
function imageLibraryFolders(): string[] {
  const inside = (path: string, name: string) => createRequire(path).resolve(name);
  const sharp = inside(inside(import.meta.url, "@huggingface/transformers"), "sharp");
  try {
    return [dirname(inside(sharp, `@img/sharp-${process.platform}-${process.arch}/sharp.node`))];
  } catch {
    return []; // of a platform that has it elsewhere: opening it will say so
  }
}

/** Where onnxruntime-node keeps its libraries. */
function onnxRuntimeFolder(): string {
  const entry = createRequire(import.meta.url).resolve("onnxruntime-node");
  return join(dirname(entry), "..", "bin");
}
