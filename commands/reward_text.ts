// A reward model's report as text for the terminal: one row a dimension. Used at the end of train.
import type { RewardReport } from "../core/rewards/report.ts";
import { columns } from "./format.ts";

/** What was measured on the test pairs, as a table, and how to read it. */
export function rewardText({ dimensions, dataset }: RewardReport): string {
  const spread = ({ mean, sd }: { mean: number; sd: number }) =>
    `${mean.toFixed(2)} ± ${sd.toFixed(2)}`;
  const rows = dimensions.map((quality) => [
    quality.name,
    String(quality.pairs),
    percent(quality.accuracy),
    `${percent(quality.low)} – ${percent(quality.high)}`,
    percent(quality.calibration_error),
    quality.log_loss.toFixed(3),
    spread(quality.chosen),
    spread(quality.rejected),
  ]);
  const header = [
    "dimension",
    "pairs",
    "right",
    "95 % interval",
    "calibration error",
    "loss",
    "reward chosen",
    "reward rejected",
  ];
  return [`Rewards of test pairs (${dataset})`, columns([header, ...rows])].join("\n");
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** The same for programs, without the bins of the pictures. */
export function rewardDocument({ dataset, dimensions }: RewardReport) {
  return {
    dataset,
    dimensions: dimensions.map(({ bins: _, distributions: __, ...figures }) => figures),
  };
}
