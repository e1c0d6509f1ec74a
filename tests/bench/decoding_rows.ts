// Rows about decoding: what different preferences and the adapter cost in a step, and chats beside
// transformers and llama.cpp. Part of the table in rows.ts.
import { join } from "node:path";
import {
  compareTimings,
  fastest,
  holdAgainst,
  median,
  medianAfterWarmUp,
  timingsOf,
} from "./compare.ts";
import { findLlama, llamaContestant } from "./llama_peer.ts";
import { emptyCache, fileFromEnvironment, ownScript, parseJsonLines, wholeProcess } from "./own.ts";
import { findPeer, peerContestant } from "./peers.ts";
import type { Contestant, Experiment, Round, Row, RowReport, Surroundings } from "./row.ts";
import { smollm2, weightsPerToken } from "./shape.ts";

const MODEL = "PANACEA_SMOLLM2_GGUF";
const formats = ["float32", "int8", "int4"] as const;
type Format = typeof formats[number];

/** What is generated in every row, ours and the peers'. */
const generation = { prompt: 64, tokens: 64, iterations: 4 } as const;
const CHATS = 11; // at once, each at its own λ: a front's grid

/** One step of a batch by turns: different λ, one λ, no adapter. */
const steps: Record<Format, Experiment> = {
  float32: stepExperiment("float32"),
  int8: stepExperiment("int8"),
  int4: stepExperiment("int4"),
};

const besideFloat32: Experiment = {
  async contestants(surroundings) {
    const transformers = await transformersContestant(surroundings, { dtype: "float32", batch: 1 });
    return {
      ours: ownGeneration(surroundings, { format: "float32", batch: 1 }),
      transformers,
      memory: await memorySpeed(surroundings),
    };
  },
};

/** llama.cpp's threads wait for each other actively, so one thread is at times faster than all. */
const llamaThreads = { "all threads": navigator.hardwareConcurrency, "one thread": 1 };

const besideLlama: Experiment = {
  async contestants(surroundings) {
    const folder = await findLlama(surroundings);
    const model = await fileFromEnvironment(surroundings, MODEL);
    const peers = Object.entries(llamaThreads).map(([name, threads]) => [
      name,
      llamaContestant(folder, ["--model", model, ...generationArgs({ threads })]),
    ]);
    return {
      ours: ownGeneration(surroundings, { format: "int4", batch: 1 }),
      ...Object.fromEntries(peers),
    };
  },
};

/** The same weights in float16, which a script writes anew before each turn. */
const besideLlamaFloat16: Experiment = {
  async contestants(surroundings) {
    const folder = await findLlama(surroundings);
    const model = await fileFromEnvironment(surroundings, MODEL);
    const { python, script } = await findPeer("f16_gguf.py", surroundings);
    const peers = Object.entries(llamaThreads).map(([name, threads]) => [name, {
      plan(place: string) {
        const file = join(place, "float16.gguf");
        const args = ["--model", file, ...generationArgs({ threads })];
        const llama = llamaContestant(folder, args).plan(place);
        return {
          ...llama,
          program: python,
          args: [script, model, file, llama.program, ...llama.args],
        };
      },
      figures: llamaContestant(folder, []).figures,
    }]);
    return {
      ours: ownGeneration(surroundings, { format: "int8", batch: 1 }),
      ...Object.fromEntries(peers),
    };
  },
};

const together: Experiment = {
  contestants: (surroundings) =>
    Promise.resolve({
      ours: decodingScript("chats_together.ts", surroundings, [
        ...["--format", "int8"],
        ...["--chats", String(CHATS)],
      ]),
    }),
};

/** transformers' settings: which is faster depends on the batch. */
const dtypes = ["float32", "bfloat16"] as const;

function besideTransformers(batch: number): Experiment {
  return {
    async contestants(surroundings) {
      const peers = await Promise.all(
        dtypes.map(async (dtype) => [
          dtype,
          await transformersContestant(surroundings, { dtype, batch }),
        ]),
      );
      return {
        ours: ownGeneration(surroundings, { format: "int8", batch }),
        ...Object.fromEntries(peers),
      };
    },
  };
}

/**
 * A process from its start to its first tokens: what a user waits for. Ours has its weight file from
 * an earlier start, as the peer has its GGUF; both lie in the page cache after the first round.
 */
const coldStart: Experiment = {
  async contestants(surroundings) {
    const folder = await findLlama(surroundings);
    const model = await fileFromEnvironment(surroundings, MODEL);
    const sizes = { ...generation, tokens: 3, iterations: 1 };
    const threads = navigator.hardwareConcurrency;
    const args = ["--model", model, ...argsOf({ ...sizes, threads })];
    return {
      ours: wholeProcess(ownScript("generate.ts", ["--format", "int4", "--batch", "1", ...args])),
      llama: wholeProcess(llamaContestant(folder, args)),
    };
  },
};

/** Rows of the table. */
export const decodingRows: Row[] = [
  ...formats.flatMap((format): Row[] => [
    {
      name: `decode_mixed_${format}`,
      description: `decode step, ${format}, ${CHATS} rows at ${CHATS} λ beside the same at one λ`,
      experiment: steps[format],
      report: (rounds) =>
        decodeReport(`decode_mixed_${format}`, rounds, { peer: "one", atMost: 1.03 }),
    },
    {
      name: `decode_adapter_${format}`,
      description: `decode step, ${format}, ${CHATS} rows at ${CHATS} λ beside no adapter`,
      experiment: steps[format],
      report: (rounds) =>
        decodeReport(`decode_adapter_${format}`, rounds, { peer: "without", atMost: 1.25 }),
    },
  ]),
  {
    name: "chat_float32",
    description: "one chat with adapter, per token, float32, beside transformers float32",
    experiment: besideFloat32,
    report(rounds) {
      const report = chatReport("chat_float32", rounds, { peer: "transformers", atMost: 0.7 });
      const speeds = rounds.map(({ memory }) => memory?.figures.gigabytesPerSecond ?? NaN);
      return { ...report, limit: memoryLimit(report.ours, median(speeds)) };
    },
  },
  {
    name: "chat_int4",
    description: "one chat with adapter, per token, int4, beside llama.cpp on the same Q4_1 file",
    experiment: besideLlama,
    report(rounds) {
      const peer = fastestLlama(rounds);
      return { ...chatReport("chat_int4", rounds, { peer, atMost: 1 }), fastest: peer };
    },
  },
  {
    name: "chat_int8",
    description: "one chat with adapter, per token, int8, beside llama.cpp on the weights in F16",
    experiment: besideLlamaFloat16,
    report(rounds) {
      const peer = fastestLlama(rounds);
      return { ...compareTimings("chat_int8", tokenTimings(rounds, peer)), fastest: peer };
    },
  },
  {
    name: "cold_start",
    description: "from a process's start to its first three tokens, int4, beside llama.cpp",
    experiment: coldStart,
    report(rounds) {
      const report = compareTimings("cold_start", {
        ours: timingsOf(rounds, "ours", "total"),
        peer: timingsOf(rounds, "llama", "total"),
      });
      return { ...report, target: holdAgainst(report.ours, { atMost: 2 }, "s") };
    },
  },
  {
    name: "chats_together",
    description: `${CHATS} chats at ${CHATS} λ, int8, at once beside one after another`,
    experiment: together,
    report(rounds) {
      const report = compareTimings("chats_together", {
        ours: timingsOf(rounds, "ours", "together"),
        peer: timingsOf(rounds, "ours", "alone"),
      });
      return { ...report, target: holdAgainst(report.ratio, { atLeast: 4 }) };
    },
  },
  ...[1, CHATS, 32].map((batch): Row => ({
    name: `generate_${batch}`,
    description:
      `${batch} chat${batch === 1 ? "" : "s, each at its own λ"}, int8, per step, beside ` +
      "transformers generate",
    experiment: besideTransformers(batch),
    report: (rounds) => generateReport(`generate_${batch}`, rounds, batch),
  })),
];

function decodeReport(
  name: string,
  rounds: Round[],
  { peer, atMost }: { peer: string; atMost: number },
): RowReport {
  const report = compareTimings(name, {
    ours: timingsOf(rounds, "ours", "mixed"),
    peer: timingsOf(rounds, "ours", peer),
  });
  return { ...report, target: holdAgainst(report.ours / report.peer, { atMost }) };
}

function chatReport(
  name: string,
  rounds: Round[],
  { peer, atMost }: { peer: string; atMost: number },
): RowReport {
  const report = compareTimings(name, tokenTimings(rounds, peer));
  return { ...report, target: holdAgainst(report.ours / report.peer, { atMost }) };
}

/** Ours beside transformers' faster setting, with tokens a second. */
function generateReport(name: string, rounds: Round[], batch: number): RowReport {
  const peers = dtypes.map((dtype) => [dtype, timingsOf(rounds, dtype, "token")]);
  const peer = fastest(Object.fromEntries(peers));
  const report = compareTimings(name, tokenTimings(rounds, peer));
  return {
    ...report,
    fastest: peer,
    target: holdAgainst(report.ratio, { atLeast: 2 }),
    tokensPerSecond: { ours: batch / report.ours, peer: batch / report.peer },
  };
}

/** The number of threads that suits llama.cpp. */
function fastestLlama(rounds: Round[]): string {
  const peers = Object.keys(llamaThreads).map((name) => [name, timingsOf(rounds, name, "token")]);
  return fastest(Object.fromEntries(peers));
}

function tokenTimings(rounds: Round[], peer: string) {
  return { ours: timingsOf(rounds, "ours", "token"), peer: timingsOf(rounds, peer, "token") };
}

/** What share of a token's time reading its float32 weights takes at the machine's own speed. */
function memoryLimit(seconds: number, gigabytesPerSecond: number) {
  const bytes = 4 * weightsPerToken(smollm2);
  return { gigabytesPerSecond, bytes, share: bytes / (gigabytesPerSecond * 1e9) / seconds };
}

function stepExperiment(format: Format): Experiment {
  return {
    contestants: (surroundings) =>
      Promise.resolve({
        ours: decodingScript("decode_step.ts", surroundings, [
          ...["--format", format],
          ...["--rows", String(CHATS)],
        ]),
      }),
  };
}

function ownGeneration(
  surroundings: Surroundings,
  { format, batch }: { format: Format; batch: number },
): Contestant {
  return decodingScript("generate.ts", surroundings, [
    ...["--format", format, "--batch", String(batch)],
    ...generationArgs({ threads: navigator.hardwareConcurrency }),
  ]);
}

/** On the real model where its file is named; without it on random weights of its shape. */
function decodingScript(name: string, { env }: Surroundings, args: string[]): Contestant {
  const model = env(MODEL);
  return ownScript(name, model ? [...args, "--model", model] : args, { env: emptyCache });
}

async function transformersContestant(
  surroundings: Surroundings,
  { dtype, batch }: { dtype: "float32" | "bfloat16"; batch: number },
): Promise<Contestant> {
  return peerContestant(await findPeer("generate.py", surroundings), {
    args: [
      ...["--dtype", dtype, "--batch", String(batch)],
      ...generationArgs({ threads: navigator.hardwareConcurrency }),
    ],
    read: (output) => medianAfterWarmUp(parseJsonLines(output)),
  });
}

async function memorySpeed(surroundings: Surroundings): Promise<Contestant> {
  return peerContestant(await findPeer("memory_speed.py", surroundings), {
    args: ["--threads", String(navigator.hardwareConcurrency)],
    read: (output) => parseJsonLines(output)[0] ?? {},
  });
}

function generationArgs({ threads }: { threads: number }): string[] {
  return argsOf({ ...generation, threads });
}

function argsOf(numbers: Record<string, number>): string[] {
  return Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)]);
}
