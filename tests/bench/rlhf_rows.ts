// Rows about RLHF: an iteration of PPO, and its answers alone, beside PyTorch. Part of the table in
// rows.ts.
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
import { emptyCache, nativeLibrary, ownScript, parseJsonLines } from "./own.ts";
import { findPeer, peerContestant } from "./peers.ts";
import type { Experiment, Round, Row, RowReport } from "./row.ts";

/** What an iteration is made of: prompts, their tokens, and new tokens for each. */
const iteration = { batch: 16, prompt: 64, tokens: 64, iterations: 3 } as const;
const NEW_TOKENS = iteration.batch * iteration.tokens;

/**
 * The peer's settings, by the arguments that choose them. Merged weights serve one λ for the whole
 * batch; ours has one for each answer.
 */
const settings: Record<string, string[]> = {
  fp32: ["--dtype", "float32"],
  bf16: ["--dtype", "bfloat16"],
  "bf16+merged": ["--dtype", "bfloat16", "--merged"],
};

const ppoIteration: Experiment = {
  async contestants(surroundings) {
    const peer = await findPeer("ppo.py", surroundings);
    const library = await nativeLibrary(surroundings);
    const threads = navigator.hardwareConcurrency;
    const shared = Object.entries({ ...iteration, threads }).flatMap(([name, value]) => [
      `--${name}`,
      String(value),
    ]);
    const read = (output: string) => medianAfterWarmUp(parseJsonLines(output));
    const peers = Object.entries(settings).map(([name, args]) => [
      name,
      peerContestant(peer, { args: [...args, ...shared], read }),
    ]);
    const ours = ownScript("ppo_iteration.ts", ["--format", "int8", ...shared], {
      env: (folder) => ({ LIBTENSORFLOW_DIR: library, ...emptyCache(folder) }),
    });
    return { ours, ...Object.fromEntries(peers) };
  },
};

/** Rows of the table. */
export const rlhfRows: Row[] = [
  {
    name: "ppo_iteration",
    description: `PPO iteration, SmolLM2-135M shape, ${iteration.batch} prompts, ` +
      `${iteration.tokens} new tokens, beside transformers generate + PEFT`,
    experiment: ppoIteration,
    report: (rounds) => {
      const report = iterationReport("ppo_iteration", rounds, "total");
      return { ...report, target: holdAgainst(report.ratio, { atLeast: 3 }) };
    },
  },
  {
    name: "rollout",
    description: "the answers of that iteration alone",
    experiment: ppoIteration,
    report: (rounds) => iterationReport("rollout", rounds, "rollout"),
  },
];

/** Ours beside the fastest setting of the peer, with new tokens a second and all phases. */
function iterationReport(name: string, rounds: Round[], figure: "total" | "rollout"): RowReport {
  const peers = Object.fromEntries(
    Object.keys(settings).map((setting) => [setting, timingsOf(rounds, setting, figure)]),
  );
  const peer = fastest(peers);
  const ours = timingsOf(rounds, "ours", figure);
  const report = compareTimings(name, { ours, peer: peers[peer] ?? [] });
  const perSecond = (seconds: number) => NEW_TOKENS / seconds;
  return {
    ...report,
    fastest: peer,
    tokensPerSecond: { ours: perSecond(report.ours), peer: perSecond(report.peer) },
    settings: Object.fromEntries(
      Object.entries(peers).map(([setting, timings]) => [setting, {
        tokensPerSecond: perSecond(median(timings.map(({ seconds }) => seconds))),
        peakBytes: largestPeak(timings),
      }]),
    ),
    phases: mediansByName(rounds.map((round) => round.ours?.figures ?? {})),
  };
}
