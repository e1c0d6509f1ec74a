// The README.md beside a reward model: what it rewards, what it was made of, how good it is.
import type { RunConfig } from "../core/config.ts";
import { rewardLines } from "../core/rewards/render.ts";
import type { RewardReport } from "../core/rewards/report.ts";
import type { AdapterConfig } from "../data/store/run_folder.ts";
import { dataLicense, licenseLine, madeFrom } from "./model_card.ts";

/** Markdown card with the metadata block that the Hugging Face hub reads. */
export async function rewardCard(
  stored: AdapterConfig,
  config: RunConfig,
  report: RewardReport | undefined,
): Promise<string> {
  const license = await dataLicense(config);
  const { dimensions, base_model } = stored;
  const trunk = stored.modules.length === 0
    ? "on the frozen base model"
    : `on the base model with an adapter (${stored.adapter}, rank ${stored.lora_r})`;
  return [
    "---",
    `base_model: ${JSON.stringify(base_model)}`,
    "library_name: panacea",
    ...licenseLine(license),
    "tags: [reward-model]",
    "---",
    "",
    `# Reward model: ${dimensions.join(", ")}`,
    "",
    `A scalar head for each of ${
      dimensions.join(", ")
    } ${trunk}, read at a response's last token. ` +
    "Rewards are log-odds: a response whose reward is larger by r is preferred with probability " +
    "σ(r). Zero is the mean reward of the responses it was trained on.",
    "",
    ...report === undefined ? [] : [
      "## Quality",
      "",
      "![rewards](reports/rewards.svg)",
      "",
      ...rewardLines(report).map((line) => `- ${line}`),
      "",
    ],
    ...madeFrom(stored, config, { license, training: "the Bradley–Terry loss" }),
  ].join("\n");
}
