import assert from "node:assert/strict";
import { growthSvg } from "./growth_svg.ts";
import type { Round } from "./row.ts";
import { rows } from "./rows.ts";
import { smollm2, stepOperations, weightsPerToken } from "./shape.ts";

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
    recomputed: 0,
  });
  const share = (held / 800 + float32 / 200) / 1e9 / 4; // seconds needed / seconds taken
  assert.deepEqual(limit, { gflops: 800, gflopsFloat32: 200, operations: held + float32, share });
});

Deno.test("unequal_step and front_grid hold their ratio to the fastest setting against a target", () => {
  const step = report("unequal_step", [stepRound]);
  assert.deepEqual(step.target, { value: 1.75, atLeast: 5, unit: "×", met: false });
  assert.deepEqual(step.memoryTarget, { value: 2 / 3, atMost: 0.25, unit: "×", met: false });
  const total = (seconds: number) => ({ figures: { total: seconds }, peakBytes: 1e9 });
  const front = report("front_grid", [{ ours: total(20), fp32: total(120), bf16: total(70) }]);
  assert.equal(front.fastest, "bf16");
  assert.deepEqual(front.target, { value: 3.5, atLeast: 3, unit: "×", met: true });
});

Deno.test("the growth rows hold what a token costs in long sequences, and a step of ten dimensions", () => {
  const total = (seconds: number, peakBytes: number) => ({
    figures: { total: seconds },
    peakBytes,
  });
  const tokens = report("growth_tokens", [{
    128: total(1, 1e9),
    256: total(2, 2e9),
    512: total(4.1, 3e9),
    1024: total(8.2, 4e9),
  }]);
  assert.deepEqual(tokens.target, {
    value: 8.2 / 1024 / (1 / 128),
    atMost: 1.05,
    unit: "×",
    met: true,
  });
  assert.deepEqual(tokens.growth, {
    axis: "tokens of a sequence",
    sizes: [128, 256, 512, 1024],
    seconds: [1, 2, 4.1, 8.2],
    expected: [1, 2, 4, 8],
    peakBytes: [1e9, 2e9, 3e9, 4e9],
  });
  const dimensions = report("growth_dimensions", [{
    2: total(2, 2e9),
    3: total(2, 2e9),
    10: total(2.2, 2e9),
  }]);
  assert.deepEqual(dimensions.target, { value: 2.2 / 2, atMost: 1.05, unit: "×", met: false });
  const svg = growthSvg([tokens, dimensions, report("dpo_step", [stepRound])]) ?? "";
  assert.equal(svg.match(/<g transform="translate\([\d.]+ [\d.]+\)"><g font-size/g)?.length, 4);
  assert.match(svg, /tokens of a sequence/);
  assert.equal(growthSvg([]), null);
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

Deno.test("the decode rows hold 11 λ against one λ and against no adapter", () => {
  const round = { ours: { figures: { mixed: 0.0204, one: 0.02, without: 0.017 }, peakBytes: 1e9 } };
  for (const format of ["float32", "int8", "int4"]) {
    const mixed = report(`decode_mixed_${format}`, [round]);
    assert.deepEqual([mixed.ours, mixed.peer], [0.0204, 0.02]);
    assert.deepEqual(mixed.target, { value: 0.0204 / 0.02, atMost: 1.03, unit: "×", met: true });
    const adapter = report(`decode_adapter_${format}`, [round]);
    assert.deepEqual([adapter.ours, adapter.peer], [0.0204, 0.017]);
    assert.deepEqual(adapter.target, { value: 0.0204 / 0.017, atMost: 1.25, unit: "×", met: true });
  }
});

Deno.test("ppo_iteration and rollout give new tokens a second beside the peer's fastest setting", () => {
  const iteration = (total: number) => ({
    figures: { total, rollout: total / 4, scoring: total / 4, update: total / 2, tokens: 1024 },
    peakBytes: 1e9,
  });
  const rounds = [{
    ours: iteration(8),
    fp32: iteration(32),
    bf16: iteration(20),
    "bf16+merged": iteration(16),
  }];
  const { target, fastest, tokensPerSecond, ...row } = report("ppo_iteration", rounds);
  assert.deepEqual([row.ours, row.peer, row.ratio], [8, 16, 2]);
  assert.deepEqual(target, { value: 2, atLeast: 3, unit: "×", met: false });
  assert.equal(fastest, "bf16+merged");
  assert.deepEqual(tokensPerSecond, { ours: 128, peer: 64 }); // 1024 / 8, 1024 / 16
  const rollout = report("rollout", rounds);
  assert.deepEqual([rollout.ours, rollout.peer, rollout.ratio], [2, 4, 2]);
});

/** A process that generated, `seconds` a token. */
function generation(seconds: number) {
  return { figures: { token: seconds, mean: seconds, first: 10 * seconds }, peakBytes: 1e9 };
}

Deno.test("chat_float32 tells what share of a token's time reading the weights takes", () => {
  const memory = { figures: { gigabytesPerSecond: 50 }, peakBytes: null };
  const round = { ours: generation(0.02), transformers: generation(0.04), memory };
  const row = report("chat_float32", [round]);
  assert.deepEqual(row.target, { value: 0.5, atMost: 0.7, unit: "×", met: true });
  const bytes = 4 * weightsPerToken(smollm2);
  assert.deepEqual(row.limit, { gigabytesPerSecond: 50, bytes, share: bytes / 50e9 / 0.02 });
});

Deno.test("chat_int4 stands beside llama.cpp at the number of threads that suits it", () => {
  const row = report("chat_int4", [{
    ours: generation(0.01),
    "all threads": generation(0.009),
    "one thread": generation(0.0075),
  }]);
  assert.equal(row.fastest, "one thread");
  assert.deepEqual(row.target, { value: 0.01 / 0.0075, atMost: 1, unit: "×", met: false });
});

Deno.test("cold_start holds the seconds to the first tokens against two", () => {
  const total = (seconds: number) => ({ figures: { total: seconds }, peakBytes: 1e9 });
  const row = report("cold_start", [{ ours: total(1.5), llama: total(0.75) }]);
  assert.equal(row.ratio, 0.5);
  assert.deepEqual(row.target, { value: 1.5, atMost: 2, unit: "s", met: true });
});

Deno.test("chats_together holds chats at once against chats one after another", () => {
  const ours = { figures: { together: 0.002, alone: 0.01 }, peakBytes: 1e9 };
  const { target } = report("chats_together", [{ ours }]);
  assert.deepEqual(target, { value: 5, atLeast: 4, unit: "×", met: true });
});

Deno.test("the generate rows hold their ratio to transformers' faster setting against two", () => {
  const row = report("generate_11", [{
    ours: generation(11 / 512),
    float32: generation(11 / 128),
    bfloat16: generation(11 / 256),
  }]);
  assert.equal(row.fastest, "bfloat16");
  assert.deepEqual(row.target, { value: 2, atLeast: 2, unit: "×", met: true });
  assert.deepEqual(row.tokensPerSecond, { ours: 512, peer: 256 });
});

Deno.test("the service's rows hold their percentiles against times, and tell the server's memory", () => {
  const round = (firstAddedP95: number) => ({
    server: {
      figures: {
        first: 0.012,
        firstDirect: 0.01,
        firstAddedP95,
        healthTrainingP99: 0.06,
        healthP99: 0.002,
        frontP95: 0.004,
        healthP95: 0.001,
        serverPeakBytes: 3e8,
      },
      peakBytes: 1e8, // the script's own
    },
  });
  const rounds = [round(0.004), round(0.003), round(0.009)];
  const first = report("first_token", rounds);
  assert.deepEqual([first.ours, first.peer, first.peakBytes], [0.012, 0.01, 3e8]);
  assert.deepEqual(first.target, { value: 0.004, atMost: 0.005, unit: "s", met: true });
  const health = report("health_while_training", rounds);
  assert.deepEqual(health.target, { value: 0.06, atMost: 0.05, unit: "s", met: false });
  const front = report("stored_front", rounds);
  assert.deepEqual(front.target, { value: 0.004, atMost: 0.02, unit: "s", met: true });
});
