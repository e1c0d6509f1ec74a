import assert from "node:assert/strict";
import type { Round } from "./row.ts";
import { rows } from "./rows.ts";
import { smollm2, stepOperations } from "./shape.ts";

function report(name: string, rounds: Round[]) {
  const row = rows.find((row) => row.name === name);
  assert.ok(row);
  return row.report(rounds);
}

/** A step of `seconds`, a quarter of it the reference pass. */
function step(seconds: number, peakBytes: number) {
  const figures = { total: seconds, withoutReference: 0.75 * seconds, reference: 0.25 * seconds };
  return { figures, peakBytes };
}

const stepRound: Round = {
  ours: step(4, 2e9),
  fp32: step(14, 8e9),
  bf16: step(8, 5e9),
  "fp32+ckpt": step(18, 5e9),
  "bf16+ckpt": step(7, 3e9),
  product: { figures: { gflops: 200, gflopsBfloat16: 800 }, peakBytes: null },
};

Deno.test("dpo_step stands beside the peer's fastest setting and tells the others", () => {
  const { fastest, settings, ...row } = report("dpo_step", [stepRound]);
  assert.deepEqual(
    [row.ours, row.peer, row.ratio, row.spread, row.peakBytes, row.peerPeakBytes],
    [4, 7, 1.75, 0, 2e9, 3e9],
  );
  assert.equal(fastest, "bf16+ckpt");
  assert.deepEqual(settings, {
    fp32: { seconds: 14, peakBytes: 8e9 },
    bf16: { seconds: 8, peakBytes: 5e9 },
    "fp32+ckpt": { seconds: 18, peakBytes: 5e9 },
    "bf16+ckpt": { seconds: 7, peakBytes: 3e9 },
  });
});

Deno.test("dpo_step_without_reference reads the same processes without the reference pass", () => {
  const row = report("dpo_step_without_reference", [stepRound]);
  assert.deepEqual([row.ours, row.peer, row.ratio], [3, 5.25, 1.75]);
});

Deno.test("the limit of a step is what its products take at the speed of a plain product", () => {
  const { limit } = report("dpo_step", [stepRound]);
  const { held, float32 } = stepOperations(smollm2, {
    rows: 8,
    length: 256,
    rank: 10,
    reference: true,
    recomputed: 30,
  });
  const share = (held / 800e9 + float32 / 200e9) / 4; // seconds needed / seconds taken
  assert.deepEqual(limit, { gflops: 800, gflopsFloat32: 200, operations: held + float32, share });
});

Deno.test("mixed_preferences gives the overhead beside the ratio", () => {
  const round = { ours: { figures: { mixed: 4.1, one: 4 }, peakBytes: 2e9 } };
  const row = report("mixed_preferences", [round]);
  assert.deepEqual([row.ours, row.peer, row.overhead], [4.1, 4, 4.1 / 4]);
  assert.deepEqual([row.peakBytes, row.peerPeakBytes], [2e9, 2e9]); // one process
});

Deno.test("builtin_world tells what both engines reached", () => {
  const run = (total: number, hypervolumeRatio: number) => ({
    figures: { total, hypervolumeRatio },
    peakBytes: 1e9,
  });
  const rounds = [{ tensorflow: run(100, 0.97), wasm: run(500, 0.96) }];
  const row = report("builtin_world", rounds);
  assert.equal(row.ratio, 5);
  assert.deepEqual(row.reached, {
    ours: { total: 100, hypervolumeRatio: 0.97 },
    peer: { total: 500, hypervolumeRatio: 0.96 },
  });
});
