import assert from "node:assert/strict";
import { InputError } from "../../core/errors.ts";
import { planShards } from "../../workers/shard_plan.ts";

const machine = { cores: 8, devices: ["cpu:0"] };

Deno.test("planShards() divides the cores, every shard having one at least", () => {
  const threads = (shards: number, given = 0) =>
    planShards({ shards, device: "auto", threads: given }, machine).map(({ threads }) => threads);
  assert.deepEqual(threads(2), [4, 4]);
  assert.deepEqual(threads(3), [3, 3, 2]);
  assert.deepEqual(threads(10), new Array(10).fill(1));
  assert.deepEqual(threads(3, 5), [5, 5, 5]); // as many as were asked for, each
});

Deno.test("planShards() deals the devices of a list out in turn and names the shards", () => {
  const plan = (device: string, devices = machine.devices) =>
    planShards({ shards: 3, device, threads: 1 }, { cores: 8, devices }).map(({ name }) => name);
  assert.deepEqual(plan("gpu:0, gpu:1"), [
    "shard 1 of 3 (gpu:0)",
    "shard 2 of 3 (gpu:1)",
    "shard 3 of 3 (gpu:0)",
  ]);
  assert.deepEqual(plan("cpu"), [1, 2, 3].map((n) => `shard ${n} of 3 (cpu)`));
  assert.deepEqual(plan("auto"), [1, 2, 3].map((n) => `shard ${n} of 3 (auto)`));
});

Deno.test("planShards() spreads over all GPUs where no device is named", () => {
  const devices = ["cpu:0", "gpu:0", "gpu:1"];
  const plan = planShards({ shards: 3, device: "auto", threads: 1 }, { cores: 8, devices });
  assert.deepEqual(plan.map(({ device }) => device), ["gpu:0", "gpu:1", "gpu:0"]);
});

Deno.test("planShards() refuses more devices than shards and empty names", () => {
  for (const device of ["gpu:0,gpu:1,gpu:2", "gpu:0,", ",", "cpu,,cpu"]) {
    assert.throws(
      () => planShards({ shards: 2, device, threads: 0 }, machine),
      (error) => error instanceof InputError && error.message.includes(JSON.stringify(device)),
    );
  }
});
