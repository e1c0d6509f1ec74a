// `deno task front`: what its flags ask for, and several fronts as text.
import assert from "node:assert/strict";
import { compareFronts } from "../../core/front/comparison.ts";
import { summarizeFront } from "../../core/front/report.ts";
import { comparisonText, frontText } from "../../commands/front_text.ts";
import { runMain } from "./process.ts";

function front(values: number[][]) {
  return summarizeFront({
    adapter: "runs/a",
    metric: "reward",
    dimensions: ["helpful", "harmless"],
    preferences: [[0, 1], [1, 0]],
    outcomes: [0, 1].map((i) => ({ values: values.map((value) => [value[i] ?? NaN]) })),
    initial: [[0.25], [0.125]],
    referencePoint: [0, 0],
  }, { seed: 1, resamples: 0 });
}

Deno.test("a front by rewards tells where the model without adapter stands", () => {
  const text = frontText(front([[1, 3], [3, 1]]));
  assert.match(text, /^Front in mean reward\n/);
  assert.match(text, /without adapter helpful 0\.250, harmless 0\.125$/);
});

Deno.test("fronts side by side are a row each, over the first one's reference point", () => {
  const text = comparisonText(compareFronts([
    { name: "panacea", report: front([[1, 3], [3, 1]]) },
    { name: "soups", report: front([[1, 1], [2, 2]]) },
  ]));
  const lines = text.split("\n");
  assert.equal(lines[0], "Fronts in mean reward");
  assert.match(lines[2] ?? "", /^panacea +5 +100\.0 % +3 +2 +2 /);
  // (1, 1) lies under a point of the first.
  assert.match(lines[3] ?? "", /^ +soups +4 +80\.0 % +1\.5 +1 +1 .* 50\.0 %$/);
  assert.equal(new Set(lines.slice(1, 4).map((line) => line.length)).size, 1, "columns align");
});

Deno.test("flags that do not go together end with code 2 and one sentence", async () => {
  const { code, stderr } = await runMain(
    ["front", "--adapter", "nowhere", "--evolution", "--compare", "other"],
  );
  assert.equal(code, 2);
  assert.match(
    stderr,
    /Cannot draw the front: expected one of --compare and --evolution, got both/,
  );
});
