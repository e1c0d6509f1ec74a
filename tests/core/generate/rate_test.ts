import assert from "node:assert/strict";
import { createMeanDuration, createRate } from "../../../core/generate/rate.ts";

Deno.test("createRate() tells a steady rate and forgets it", () => {
  let time = 0;
  const rate = createRate(() => time);
  assert.equal(rate.perSecond(), 0);
  for (; time < 60_000; time += 100) rate.add(4); // 40 a second
  assert.ok(Math.abs(rate.perSecond() - 40) < 1, `${rate.perSecond()}`);
  time += 5000;
  assert.ok(Math.abs(rate.perSecond() - 40 / Math.E) < 1);
  time += 100_000;
  assert.ok(rate.perSecond() < 1e-6);
});

Deno.test("createMeanDuration() follows what things take", () => {
  let time = 0;
  const mean = createMeanDuration<string>({ first: 3, now: () => time });
  assert.equal(mean.seconds(), 3);
  const take = (milliseconds: number) => {
    mean.begin("x");
    time += milliseconds;
    mean.end("x");
  };
  take(1000);
  assert.equal(mean.seconds(), 1);
  take(2000);
  assert.equal(mean.seconds(), 1.2); // a fifth of the way
  for (let i = 0; i < 50; i++) take(2000);
  assert.ok(Math.abs(mean.seconds() - 2) < 1e-4);
  mean.end("never begun");
  assert.ok(Math.abs(mean.seconds() - 2) < 1e-4);
});
