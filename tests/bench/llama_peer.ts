// The peer llama.cpp, through the npm package node-llama-cpp: a folder that has it installed is named
// by PANACEA_LLAMA. It is no dependency of this repository, so without it its rows are skipped.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { medianAfterWarmUp } from "./compare.ts";
import { parseJsonLines } from "./own.ts";
import { type Contestant, type Surroundings, Unavailable } from "./row.ts";

const script = fileURLToPath(new URL("peers/llama.ts", import.meta.url));

/** The folder of PANACEA_LLAMA. Throws Unavailable where node-llama-cpp is not in it. */
export async function findLlama({ env }: Surroundings): Promise<string> {
  const folder = env("PANACEA_LLAMA");
  if (!folder) {
    throw new Unavailable("PANACEA_LLAMA is not set: it names a folder with node-llama-cpp");
  }
  const found = await Deno.stat(join(folder, "node_modules/node-llama-cpp")).catch(() => null);
  if (!found?.isDirectory) {
    throw new Unavailable("PANACEA_LLAMA names a folder without node_modules/node-llama-cpp");
  }
  return folder;
}

/** llama.cpp on a GGUF file, with the arguments of peers/llama.ts. */
export function llamaContestant(folder: string, args: string[]): Contestant {
  return {
    plan: () => ({
      program: Deno.execPath(),
      // Its packages are those of its own folder, not of this repository.
      args: ["run", "-A", "--no-config", "--node-modules-dir=manual", script, ...args],
      env: { PANACEA_LLAMA: folder },
    }),
    figures: ({ output }) => medianAfterWarmUp(parseJsonLines(output)),
  };
}
