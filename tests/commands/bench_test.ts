import assert from "node:assert/strict";
import { benchText, listText } from "../../commands/bench.ts";
import { rows } from "../bench/rows.ts";

const report = {
  name: "dpo_step",
  ours: 3.5,
  peer: 7,
  ratio: 2,
  spread: 0.04,
  peakBytes: 1.9e9,
  peerPeakBytes: null,
};

Deno.test("benchText() is one line a row under a head", () => {
  assert.equal(
    benchText([report]),
    "     row   ours  peer   ratio  spread  target   memory  peer's memory\n" +
      "dpo_step  3.5 s   7 s  2.00 ×     4 %       –  1.90 GB              –",
  );
  assert.equal(benchText([]), "No row was measured");
});

Deno.test("benchText() tells a row's target and whether it is met", () => {
  const text = benchText([
    { ...report, target: { value: 0.5, atMost: 0.7, unit: "×", met: true } },
    { ...report, target: { value: 3.456, atLeast: 4, unit: "×", met: false } },
    {
      ...report,
      target: { value: 0.0041, atMost: 0.005, unit: "s", met: true },
      memoryTarget: { value: 0.4, atMost: 0.5, unit: "×", met: true },
    },
  ]);
  const [, ...lines] = text.split("\n");
  assert.match(lines[0] ?? "", / 0\.5 ≤ 0\.7 × met /);
  assert.match(lines[1] ?? "", / 3\.46 ≥ 4 × missed /);
  assert.match(lines[2] ?? "", / 0\.0041 ≤ 0\.005 s met; memory 0\.4 ≤ 0\.5 × met /);
  assert.equal(lines.length, 3); // the target is no line below
});

Deno.test("benchText() tells what a row says beside under the table", () => {
  const text = benchText([{
    ...report,
    limit: { gflops: 790.4, share: 0.61234 },
    fastest: "bf16",
  }]);
  const [, below] = text.split("\n\n");
  assert.equal(below, "dpo_step limit: gflops 790, share 0.612\ndpo_step fastest: bf16");
});

Deno.test("listText() names every row and marks those on request", () => {
  const lines = listText(rows).split("\n");
  assert.equal(lines.length, rows.length);
  rows.forEach(({ name, onRequest = false }, i) => {
    assert.ok(lines[i]?.startsWith(name));
    assert.equal(lines[i]?.endsWith("(on request)"), onRequest);
  });
});
