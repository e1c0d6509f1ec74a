import assert from "node:assert/strict";
import { rewardDocument, rewardText } from "../../commands/reward_text.ts";
import { trainDocument, trainText } from "../../commands/train.ts";
import { rewardQualities, type RewardReport } from "../../core/rewards/report.ts";
import { runMain } from "./process.ts";

const dimensions = ["helpful", "harmless"];
const pairs = [0, 1, 0, 1].map((label, p) => ({
  prompt: Int32Array.of(p),
  better: [label, 1 - label],
}));
const scores = Float32Array.of(2, 0, 0, 1, 0, 0, 1, 1, 3, 1, 0, 2, 1, 0, 0, 0);
const report: RewardReport = {
  format: "panacea-reward-report",
  version: 1,
  model: "rewards",
  step: 200,
  dataset: "builtin",
  dataset_fingerprint: "f".repeat(64),
  dimensions: rewardQualities(scores, pairs, { dimensions, seed: 1, resamples: 20 }),
};

Deno.test("rewardText() is a table of one row a dimension; rewardDocument() leaves the bins out", () => {
  const lines = rewardText(report).split("\n");
  assert.equal(lines[0], "Rewards of test pairs (builtin)");
  assert.equal(lines.length, 4);
  // helpful: right, right, right, wrong
  assert.match(lines[2] ?? "", /helpful +4 +75\.0 % .* ± /);
  const [first] = rewardDocument(report).dimensions;
  assert.deepEqual(Object.keys(first ?? {}), [
    "name",
    "pairs",
    "accuracy",
    "low",
    "high",
    "log_loss",
    "calibration_error",
    "chosen",
    "rejected",
  ]);
});

Deno.test("trainText() of a reward model shows its quality, its picture and PPO as the next command", () => {
  const trained = {
    ...{ adapter: "runs/rm", steps: 200, seconds: 40, tokensPerSecond: 8000 },
    ...{ losses: {}, stopped: false, rewards: report },
  };
  const text = trainText(trained, { trainedNow: 200, files: [] });
  assert.match(text, /Rewards {2}runs\/rm\nPicture {2}runs\/rm\/reports\/rewards.svg/);
  assert.match(text, /Next {5}deno task train ppo --reward_model runs\/rm$/);
  assert.deepEqual(trainDocument(trained).rewards, rewardDocument(report));
});

Deno.test("train --dimension is --dimensions for one: told apart where they differ, refused where unknown", async () => {
  const differ = await runMain(["train", "reward", "--dimension", "a", "--dimensions", "b,c"]);
  assert.equal(differ.code, 2);
  assert.match(differ.stderr, /expected --dimension or --dimensions, got a and b,c/);
  const unknown = await runMain(["train", "reward", "--dimension", "kind"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /expected dimensions among helpful, harmless, concise, got kind/);
});
