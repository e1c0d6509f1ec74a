// Rows about training: a step beside PyTorch, mixed preferences, whole runs. Part of the table in
// rows.ts.
import type { FrontReport } from "../../core/front/report.ts";
import {
  compareTimings,
  fastest,
  holdAgainst,
  largestPeak,
  median,
  medianAfterWarmUp,
  mediansByName,
  timingsOf,
} from "./compare.ts";
import {
  fileFromEnvironment,
  nativeLibrary,
  ownScript,
  parseJsonLines,
  plainProduct,
  trainCommand,
  wholeProcess,
} from "./own.ts";
import {
  findPeer,
  parseFinalAccuracies,
  parseStepLines,
  parseTrlLine,
  peerContestant,
  sharedFile,
} from "./peers.ts";
import type { Experiment, Figures, Round, Row, RowReport } from "./row.ts";
import { adapterShape, batch, smollm2, stepOperations } from "./shape.ts";

/** The peer's settings, by the arguments that choose them. */
const stepPeers: Record<string, string[]> = {
  fp32: [],
  bf16: ["bf16"],
  "fp32+ckpt": ["ckpt"],
  "bf16+ckpt": ["bf16", "ckpt"],
};

const dpoStep: Experiment = {
  async contestants(surroundings) {
    const peer = await findPeer("peer_dpo_step.py", surroundings);
    const read = (output: string) => medianAfterWarmUp(parseStepLines(output));
    const peers = Object.entries(stepPeers).map(([name, args]) => [
      name,
      peerContestant(peer, { args, read }),
    ]);
    return {
      ours: ownScript("dpo_step.ts"),
      ...Object.fromEntries(peers),
      product: plainProduct(),
    };
  },
};

const unequalStep: Experiment = {
  async contestants(surroundings) {
    const peer = await findPeer("peer_trl_dpo.py", surroundings);
    const model = await fileFromEnvironment(surroundings, "PANACEA_SMOLLM2_GGUF");
    const data = await sharedFile("data/hh/helpful-base.train.jsonl.gz");
    const [steps, pairs] = ["4", "8"]; // the peer's pairs a step
    const env = { STEPS: steps };
    const peers = Object.entries(stepPeers).map(([name, args]) => [
      name,
      peerContestant(peer, { args, env, read: parseTrlLine }),
    ]);
    return {
      ours: ownScript("unequal_step.ts", [model, data, steps, pairs]),
      ...Object.fromEntries(peers),
    };
  },
};

/** Of 200 pairs as many as keep a round to minutes; both sides grow with them alike. */
const frontSize = { pairs: 24, points: 11 };

const frontGrid: Experiment = {
  async contestants(surroundings) {
    const peer = await findPeer("front.py", surroundings);
    const model = await fileFromEnvironment(surroundings, "PANACEA_SMOLLM2_GGUF");
    const data = await sharedFile("data/hh/helpful-base.test.jsonl.gz");
    const sizes = [`--pairs=${frontSize.pairs}`, `--points=${frontSize.points}`];
    const read = (output: string) => parseJsonLines(output)[0] ?? {};
    const peers = Object.entries({ fp32: "float32", bf16: "bfloat16" }).map(([name, dtype]) => [
      name,
      peerContestant(peer, { args: [`--data=${data}`, `--dtype=${dtype}`, ...sizes], read }),
    ]);
    const args = [model, data, String(frontSize.pairs), String(frontSize.points)];
    return { ours: ownScript("front_grid.ts", args, { read }), ...Object.fromEntries(peers) };
  },
};

/** Tokens of a sequence of the first step, so few that loading is what is measured. */
const FIRST_LENGTH = 64;

const firstStep: Experiment = {
  async contestants(surroundings) {
    const peer = await findPeer("first_step.py", surroundings);
    const model = await fileFromEnvironment(surroundings, "PANACEA_SMOLLM2_GGUF");
    const peers = Object.entries({ fp32: "float32", bf16: "bfloat16" }).map(([name, dtype]) => [
      name,
      peerContestant(peer, {
        args: [`--dtype=${dtype}`, `--length=${FIRST_LENGTH}`],
        read: (_, seconds) => ({ total: seconds }),
      }),
    ]);
    const ours = ownScript("first_step.ts", [model, String(FIRST_LENGTH)]);
    return { ours: wholeProcess(ours), ...Object.fromEntries(peers) };
  },
};

const mixedPreferences: Experiment = {
  contestants: () => Promise.resolve({ ours: ownScript("mixed_preferences.ts") }),
};

const builtinWorld: Experiment = {
  async contestants(surroundings) {
    const library = await nativeLibrary(surroundings);
    const world = (engine: string) =>
      trainCommand(["--engine", engine], { library, ofFront: worldFigures });
    return { tensorflow: world("tensorflow"), wasm: world("wasm") };
  },
};

const lengthRun: Experiment = {
  async contestants(surroundings) {
    const peer = await findPeer("peer_panacea_dpo.py", surroundings);
    const library = await nativeLibrary(surroundings);
    const model = await fileFromEnvironment(surroundings, "PANACEA_SMOLLM2_GGUF");
    const train = await sharedFile("data/length/hh-length.train.jsonl.gz");
    const test = await sharedFile("data/length/hh-length.test.jsonl.gz");
    const settings = {
      model_name_or_path: model,
      dataset: train,
      eval_dataset: test,
      dimensions: "concise,detailed",
      max_steps: "60",
      per_device_train_batch_size: "6",
      max_length: "128",
      learning_rate: "2e-3",
      eval_limit: "80",
      grid: "3",
      eval_steps: "30", // the peer too evaluates half-way and at the end
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    return {
      ours: trainCommand(["dpo", ...flags], { library, ofFront: endAccuracies }),
      peer: peerContestant(peer, {
        env: {
          DATA: "length",
          STEPS: "60",
          LR: "2e-3",
          PAIRS: "6",
          MAXLEN: "128",
          EVAL: "80",
        },
        read: (output, seconds) => ({ total: seconds, ...parseFinalAccuracies(output) }),
      }),
    };
  },
};

/** Rows of the table. */
export const trainingRows: Row[] = [
  {
    name: "dpo_step",
    description: "DPO step, SmolLM2-135M shape, 8 × 256 tokens, beside PyTorch + PEFT",
    experiment: dpoStep,
    report: (rounds) =>
      withTargets(stepReport("dpo_step", rounds, { reference: true }), { ratio: 2, memory: 0.5 }),
  },
  {
    name: "dpo_step_without_reference",
    description: "the same step without the pass of the reference policy",
    experiment: dpoStep,
    report: (rounds) => stepReport("dpo_step_without_reference", rounds, { reference: false }),
  },
  {
    name: "unequal_step",
    description:
      "DPO step on 8 HH pairs of unequal length, reference included, beside TRL's DPOTrainer",
    experiment: unequalStep,
    onRequest: true,
    report: (rounds) =>
      withTargets(besideFastest("unequal_step", rounds, { time: "total", settings: stepPeers }), {
        ratio: 5,
        memory: 0.25,
      }),
  },
  {
    name: "front_grid",
    description:
      `${frontSize.points} λ × ${frontSize.pairs} HH test pairs, beside a PyTorch loop that ` +
      "merges every λ",
    experiment: frontGrid,
    report: (rounds) =>
      withTargets(
        besideFastest("front_grid", rounds, { time: "total", settings: { fp32: [], bf16: [] } }),
        { ratio: 3 },
      ),
  },
  {
    name: "cold_training",
    description:
      `from a process's start to the end of its first DPO step, SmolLM2 from a GGUF file, ` +
      `${batch.rows} × ${FIRST_LENGTH} tokens, beside transformers + PEFT`,
    experiment: firstStep,
    report: (rounds) =>
      besideFastest("cold_training", rounds, { time: "total", settings: { fp32: [], bf16: [] } }),
  },
  {
    name: "mixed_preferences",
    description: "step with 16 different λ in the batch beside the same with one λ",
    experiment: mixedPreferences,
    report(rounds) {
      const report = compareTimings("mixed_preferences", {
        ours: timingsOf(rounds, "ours", "mixed"),
        peer: timingsOf(rounds, "ours", "one"),
      });
      return { ...report, overhead: report.ours / report.peer };
    },
  },
  {
    name: "builtin_world",
    description: "deno task train on the built-in world, native beside WebAssembly",
    experiment: builtinWorld,
    report: (rounds) => runReport("builtin_world", rounds, { ours: "tensorflow", peer: "wasm" }),
  },
  {
    name: "length_run",
    description: "60 steps on SmolLM2-135M-Instruct and the length data, beside plain PyTorch",
    experiment: lengthRun,
    onRequest: true,
    report: (rounds) => runReport("length_run", rounds, { ours: "ours", peer: "peer" }),
  },
];

/** A step beside the fastest setting of the peer, with the limit. */
function stepReport(
  name: string,
  rounds: Round[],
  { reference }: { reference: boolean },
): RowReport {
  const time = reference ? "total" : "withoutReference";
  const report = besideFastest(name, rounds, { time, settings: stepPeers });
  return {
    ...report,
    limit: productLimit(figuresOf(rounds, "product"), { seconds: report.ours, reference }),
  };
}

/** Ours beside the fastest setting of the peer; the others and the phases as extras. */
function besideFastest(
  name: string,
  rounds: Round[],
  { time, settings: named }: { time: string; settings: Record<string, unknown> },
): RowReport {
  const peers = Object.fromEntries(
    Object.keys(named).map((setting) => [setting, timingsOf(rounds, setting, time)]),
  );
  const peer = fastest(peers);
  const report = compareTimings(name, {
    ours: timingsOf(rounds, "ours", time),
    peer: peers[peer] ?? [],
  });
  const settings = Object.entries(peers).map(([setting, timings]) => [
    setting,
    { seconds: median(timings.map(({ seconds }) => seconds)), peakBytes: largestPeak(timings) },
  ]);
  return {
    ...report,
    fastest: peer,
    settings: Object.fromEntries(settings),
    phases: figuresOf(rounds, "ours"),
  };
}

/** `ratio`: the peer's time over ours at least; `memory`: our peak over the peer's at most. */
function withTargets(
  report: RowReport,
  { ratio, memory }: { ratio: number; memory?: number },
): RowReport {
  const { peakBytes, peerPeakBytes } = report;
  return {
    ...report,
    target: holdAgainst(report.ratio, { atLeast: ratio }),
    ...memory !== undefined && {
      memoryTarget: holdAgainst((peakBytes ?? NaN) / (peerPeakBytes ?? NaN), { atMost: memory }),
    },
  };
}

/** Speed of the plain product, and the share of a step that its products would take at that speed. */
function productLimit(
  { gflops = NaN, gflopsBfloat16 = NaN }: Figures,
  { seconds, reference }: { seconds: number; reference: boolean },
) {
  const operations = stepOperations(smollm2, {
    rows: batch.rows,
    length: batch.length,
    rank: adapterShape.rank + adapterShape.objectives,
    reference,
    recomputed: 0, // the budget of residuals has room for all blocks
  });
  const needed = (operations.held / gflopsBfloat16 + operations.float32 / gflops) / 1e9;
  return {
    gflops: gflopsBfloat16,
    gflopsFloat32: gflops,
    operations: operations.held + operations.float32,
    share: needed / seconds,
  };
}

/** Two whole runs, with what they reached. */
function runReport(
  name: string,
  rounds: Round[],
  { ours, peer }: { ours: string; peer: string },
): RowReport {
  const timings = (contestant: string) => timingsOf(rounds, contestant, "total");
  return {
    ...compareTimings(name, { ours: timings(ours), peer: timings(peer) }),
    reached: { ours: figuresOf(rounds, ours), peer: figuresOf(rounds, peer) },
  };
}

function figuresOf(rounds: Round[], contestant: string): Figures {
  return mediansByName(rounds.map((round) => round[contestant]?.figures ?? {}));
}

function worldFigures({ exact, indicators, controllability }: FrontReport): Figures {
  const rho = Object.entries(controllability).map(([name, { rho }]) => [`rho ${name}`, rho]);
  return {
    hypervolume: indicators.hypervolume,
    hypervolumeRatio: exact?.hypervolumeRatio ?? NaN,
    ...Object.fromEntries(rho),
  };
}

/** The first dimension's accuracy at λ = (1, 0) and the second's at (0, 1). */
function endAccuracies({ points }: FrontReport): Figures {
  const at = (dimension: number) =>
    points.find(({ preference }) => preference[dimension] === 1)?.values[dimension] ?? NaN;
  return { first: at(0), second: at(1) };
}
