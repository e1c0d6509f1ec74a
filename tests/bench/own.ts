// Our side: scripts in tests/bench/ours and the commands of main.ts as contestants, and what they
// print.
import { join } from "node:path";
import { z } from "zod";
import { FrontReport } from "../../core/front/report.ts";
import { findLibtensorflow } from "../../data/native.ts";
import { readFronts } from "../../data/store/fronts.ts";
import { medianAfterWarmUp } from "./compare.ts";
import {
  type Contestant,
  type Figures,
  type ProcessPlan,
  type Surroundings,
  Unavailable,
} from "./row.ts";

/**
 * A script of tests/bench/ours that prints one JSON line of seconds by name per iteration, or what
 * else `read` understands.
 */
export function ownScript(
  name: string,
  args: string[] = [],
  { read = (output) => medianAfterWarmUp(parseJsonLines(output)), env }: {
    read?: (output: string) => Figures;
    env?: (folder: string) => Record<string, string>;
  } = {},
): Contestant {
  return {
    plan: (folder) => ({ ...deno(`tests/bench/ours/${name}`, args), env: env?.(folder) }),
    figures: ({ output }) => read(output),
  };
}

/** Empty caches for a process, so that it does what it did the first time; not Deno's own cache. */
export function emptyCache(folder: string): Record<string, string> {
  return { XDG_CACHE_HOME: join(folder, "cache"), DENO_DIR: denoFolder() };
}

/**
 * `main.ts train` into an empty folder; what its last front says is read by `ofFront`. Its caches
 * are empty too, or the second round would find the reference scores of the first; only the native
 * engine's `library` is not fetched anew.
 */
export function trainCommand(
  args: string[],
  { library, ofFront }: { library: string; ofFront: (front: FrontReport) => Figures },
): Contestant {
  const run = (folder: string) => join(folder, "run");
  return {
    plan: (folder) => ({
      ...deno("main.ts", ["train", ...args, "--output_dir", run(folder), "--json"]),
      env: { LIBTENSORFLOW_DIR: library, ...emptyCache(folder) },
    }),
    async figures({ seconds, output }, folder) {
      const { steps } = z.object({ steps: z.number() }).parse(JSON.parse(output));
      const { final } = await readFronts(run(folder));
      return { total: seconds, steps, ...ofFront(FrontReport.parse(final)) };
    },
  };
}

/** Folder of libtensorflow, fetched where it is missing. Throws Unavailable where it cannot be. */
export async function nativeLibrary({ env }: Surroundings): Promise<string> {
  const found = await findLibtensorflow({ env, onProgress: () => {} });
  if ("missing" in found) throw new Unavailable(found.missing);
  return found.directory;
}

/** GFLOP/s of a plain product, as `deno task doctor` measures it. */
export function plainProduct(): Contestant {
  return {
    plan: () => deno("main.ts", ["doctor", "--engine", "tensorflow", "--json"]),
    figures({ output }) {
      const Speeds = z.object({ gflops: z.number(), gflopsBfloat16: z.number().optional() });
      const { gflops, gflopsBfloat16 = gflops } = Speeds.parse(JSON.parse(output));
      return { gflops, gflopsBfloat16 };
    },
  };
}

/** The contestant whose only figure is its process's time from start to end, as `total`. */
export function wholeProcess({ plan }: Contestant): Contestant {
  return { plan, figures: ({ seconds }) => ({ total: seconds }) };
}

/** A file that an environment variable names. Throws Unavailable where there is none. */
export async function fileFromEnvironment(
  { env }: Surroundings,
  name: string,
): Promise<string> {
  const path = env(name);
  if (!path) throw new Unavailable(`${name} is not set: it names a file that the row needs`);
  const found = await Deno.stat(path).catch(() => null);
  if (!found?.isFile) throw new Unavailable(`${name} names no file`);
  return path;
}

/** Lines of JSON objects of numbers; other lines are refused. */
export function parseJsonLines(output: string): Figures[] {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line) => z.record(z.string(), z.number()).parse(JSON.parse(line)));
}

/** Where Deno keeps packages and compiled modules, which it would look for below XDG_CACHE_HOME. */
function denoFolder(): string {
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  const Info = z.object({ denoDir: z.string() });
  return Info.parse(JSON.parse(new TextDecoder().decode(stdout))).denoDir;
}

function deno(script: string, args: string[]): ProcessPlan {
  return { program: Deno.execPath(), args: ["run", "-A", script, ...args] };
}
