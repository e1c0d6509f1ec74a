// `baselines` from the terminal: killed in the middle it goes on, at its end it compares; wrong input
// is told in one sentence.
import assert from "node:assert/strict";
import { join } from "node:path";
import { MethodComparison } from "../../core/baselines/compute.ts";
import { openAdapter } from "../../data/store/run_folder.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { runMain } from "./process.ts";

const short = ["--max_steps", "6", "--save_steps", "2", "--grid", "3", "--bootstrap", "0"];

async function trained(folder: string): Promise<string> {
  const adapter = join(folder, "panacea");
  const { code, stderr } = await runMain(["train", "--output_dir", adapter, ...short]);
  assert.equal(code, 0, stderr);
  return adapter;
}

Deno.test("baselines killed in a member loses no finished one and ends with the same bits", async () => {
  await using folder = await temporaryFolder();
  const adapter = await trained(folder.path);
  const soups = ["baselines", "--adapter", adapter, "--methods", "rewarded_soups", "--json"];
  const elsewhere = join(folder.path, "elsewhere");
  const once = await runMain([...soups, "--output_dir", elsewhere]);
  assert.equal(once.code, 0, once.stderr);

  const killed = await runMain(soups, {
    // In the second member, after its first checkpoint.
    onError: (text) =>
      text.split("Member 2 of 2")[1]?.includes('{"step":3,') ? "SIGKILL" : undefined,
  });
  assert.notEqual(killed.code, 0);
  const resumed = await runMain(soups);
  assert.equal(resumed.code, 0, resumed.stderr);
  const steps = resumed.stderr.matchAll(/^\{"step":(\d+),/gm).map(([, step]) => Number(step));
  assert.ok([[3, 4, 5, 6], [5, 6]].some((left) => left.join() === [...steps].join()));
  const report = JSON.parse(resumed.stdout);
  assert.equal(report.trainedNow, 1);
  const { methods } = MethodComparison.parse(report.comparison);
  assert.deepEqual(methods.map(({ name, compute }) => [name, compute.runs, compute.steps]), [
    ["panacea", 1, 6],
    ["panacea-rewarded_soups", 2, 12],
  ]);
  const [a, b] = await Promise.all(
    [folder.path, elsewhere].map((place) => openAdapter(join(place, "panacea-rewarded_soups"))),
  );
  assert.equal(a?.parametersHash, b?.parametersHash);

  const told = await runMain(soups.slice(0, -1));
  assert.equal(told.code, 0, told.stderr);
  assert.match(told.stdout, /^Fronts in expected reward$/m);
  assert.match(told.stdout, /^ *panacea-rewarded_soups +2 +12 +[\d ]+ 2\.0 × +\d:\d\d +\d\.\d{3}/m);
  assert.match(told.stdout, /^Adapter {2}.*panacea-rewarded_soups$/m);
  assert.match(told.stdout, /^Figure {3}.*figures\/baselines\.compute\.csv$/m);
});

Deno.test("baselines refuses wrong input", async () => {
  await using folder = await temporaryFolder();
  const wrong: [string[], RegExp][] = [
    [[], /expected --adapter \(folder of the finished run to compare with\), got none/],
    [["--adapter", folder.path], /Cannot open adapter .*got one without an adapter/],
    [["--adapter", "x", "--methods", "soups"], /got "soups" \(nearest: rewarded_soups\)/],
    [["--adapter", "x", "--budget", "half"], /expected one of each, total, got "half"/],
    [["--adapter", "x", "--points", "1"], /--points: expected a whole number from 2 to 1001/],
  ];
  for (const [args, message] of wrong) {
    const { code, stdout, stderr } = await runMain(["baselines", ...args]);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, message);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
});
