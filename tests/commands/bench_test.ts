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
    "     row   ours  peer   ratio  spread   memory  peer's memory\n" +
      "dpo_step  3.5 s   7 s  2.00 ×     4 %  1.90 GB              –",
  );
  assert.equal(benchText([]), "No row was measured");
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
