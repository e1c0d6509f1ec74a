// Measures a reward model on its run's test pairs and keeps the report in the run's folder:
// reports/rewards.{json,svg,csv}, and one for each evaluation on the way.
import { basename, isAbsolute } from "node:path";
import type { RunConfig } from "../core/config.ts";
import { pairSequences } from "../core/front/evaluate.ts";
import { rewardCsv, rewardLines, rewardSvg } from "../core/rewards/render.ts";
import { rewardQualities, RewardReport } from "../core/rewards/report.ts";
import { tokenizePairs } from "../core/text/pairs.ts";
import type { Sequence } from "../core/text/pack.ts";
import { saveReport } from "../data/store/fronts.ts";
import type { Run } from "../data/store/run_folder.ts";
import { limitPairs } from "./evaluation.ts";
import type { Base } from "./machine.ts";
import type { SessionOptions } from "./protocol.ts";
import type { RewardRows } from "./reward_data.ts";
import { runLengths } from "./run_lengths.ts";

/** Name of the last report, in reports/ of a run. */
export const REWARD_REPORT = "rewards";

/** The test pairs of a run. */
export interface RewardEvaluation {
  /** Scores them, writes the report under the evaluation's `name` and tells it in lines. */
  measure(
    model: { score(sequences: Sequence[]): Promise<Float32Array>; bias: Float32Array },
    place: { run: Run; name: string; step: number },
  ): Promise<RewardReport>;
}

/** The test pairs as tokens, at most eval_limit of them per dimension. */
export function rewardEvaluation(
  { rows, base, config, options }: {
    rows: RewardRows;
    base: Base;
    config: RunConfig;
    options: SessionOptions;
  },
): RewardEvaluation {
  const { dimensions } = rows.train;
  const tokenized = tokenizePairs(base.tokenizer, rows.test, runLengths(config, base)).pairs;
  const pairs = limitPairs(tokenized, {
    limit: config.eval_limit,
    seed: config.seed,
    dimensions,
  });
  const sequences = pairSequences(pairs);
  return {
    async measure({ score, bias }, { run, name, step }) {
      const scores = (await score(sequences)).map((value, n) =>
        value + (bias[n % bias.length] ?? 0)
      );
      const report: RewardReport = {
        format: "panacea-reward-report",
        version: 1,
        model: isAbsolute(run.path) ? basename(run.path) : run.path,
        step,
        dataset: rows.testData.dataset,
        dataset_fingerprint: rows.testData.fingerprint,
        dimensions: rewardQualities(scores, pairs, {
          dimensions,
          seed: config.seed,
          resamples: config.bootstrap,
        }),
      };
      await saveReport(run.path, name === FINAL ? REWARD_REPORT : `${REWARD_REPORT}-${name}`, {
        json: report,
        svg: rewardSvg(report),
        csv: rewardCsv(report),
      });
      for (const message of rewardLines(report)) options.onEvent({ type: "notice", message });
      return report;
    },
  };
}

/** What workers/training.ts calls the last evaluation. */
const FINAL = "final";
