import assert from "node:assert/strict";
import fc from "fast-check";
import {
  compareTimings,
  fastest,
  holdAgainst,
  median,
  medianAfterWarmUp,
  percentile,
  spread,
  timingsOf,
} from "./compare.ts";

const times = fc.array(fc.double({ min: 1e-3, max: 1e3, noNaN: true }), {
  minLength: 1,
  maxLength: 9,
});

Deno.test("median() is the middle value, or the mean of the two in the middle", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5); // (2 + 3) / 2
  assert.equal(median([7]), 7);
  assert.ok(Number.isNaN(median([])));
});

Deno.test("median() lies between smallest and largest, whatever the order", () => {
  fc.assert(fc.property(times, (values) => {
    const middle = median(values);
    assert.ok(middle >= Math.min(...values) && middle <= Math.max(...values));
    assert.equal(median([...values].reverse()), middle);
  }));
});

Deno.test("spread() is the range over the median, and 0 for one value", () => {
  assert.equal(spread([2, 1.5, 3]), 0.75); // (3 − 1.5) / 2
  assert.equal(spread([5]), 0);
});

Deno.test("medianAfterWarmUp() leaves the first iteration out", () => {
  const iterations = [
    { total: 100, reference: 50 },
    { total: 4, reference: 1 },
    { total: 6, reference: 3 },
  ];
  assert.deepEqual(medianAfterWarmUp(iterations), { total: 5, reference: 2 });
  assert.throws(() => medianAfterWarmUp(iterations.slice(0, 1)), RangeError);
});

Deno.test("compareTimings() gives the peer's median over ours, and the spread of the rounds", () => {
  const report = compareTimings("row", {
    ours: [{ seconds: 2, peakBytes: 10 }, { seconds: 4, peakBytes: 30 }, {
      seconds: 3,
      peakBytes: 20,
    }],
    peer: [{ seconds: 6, peakBytes: 70 }, { seconds: 8, peakBytes: null }, {
      seconds: 6,
      peakBytes: 70,
    }],
  });
  // Ratios of the rounds: 3, 2, 2 → spread (3 − 2) / 2; medians 3 and 6.
  assert.deepEqual(report, {
    name: "row",
    ours: 3,
    peer: 6,
    ratio: 2,
    spread: 0.5,
    peakBytes: 30,
    peerPeakBytes: null, // one round's is not known
  });
});

Deno.test("compareTimings() of a side with itself is 1 without spread", () => {
  fc.assert(fc.property(times, (values) => {
    const side = values.map((seconds) => ({ seconds, peakBytes: 1 }));
    const { ratio, spread } = compareTimings("row", { ours: side, peer: side });
    assert.equal(ratio, 1);
    assert.equal(spread, 0);
  }));
});

Deno.test("compareTimings() refuses a missing time instead of reporting it", () => {
  const one = [{ seconds: 1, peakBytes: null }];
  assert.throws(() => compareTimings("row", { ours: one, peer: [] }), RangeError);
  assert.throws(() => compareTimings("row", { ours: [], peer: [] }), RangeError);
  const none = [{ seconds: NaN, peakBytes: null }];
  assert.throws(() => compareTimings("row", { ours: one, peer: none }), RangeError);
});

Deno.test("timingsOf() reads one figure of one contestant, round after round", () => {
  const rounds = [
    { ours: { figures: { total: 3 }, peakBytes: 5 } },
    { ours: { figures: { total: 4 }, peakBytes: null } },
  ];
  assert.deepEqual(timingsOf(rounds, "ours", "total"), [
    { seconds: 3, peakBytes: 5 },
    { seconds: 4, peakBytes: null },
  ]);
  assert.ok(Number.isNaN(timingsOf(rounds, "peer", "total")[0]?.seconds));
});

Deno.test("fastest() goes by the median, not by the best round", () => {
  const side = (values: number[]) => values.map((seconds) => ({ seconds, peakBytes: null }));
  assert.equal(fastest({ a: side([1, 9, 9]), b: side([5, 5, 5]) }), "b");
});

Deno.test("percentile() is the smallest value that the share does not exceed", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i); // 1 … 100, backwards
  assert.equal(percentile(hundred, 0.95), 95);
  assert.equal(percentile(hundred, 0.99), 99);
  assert.equal(percentile([3, 1, 2], 0), 1);
  assert.equal(percentile([3, 1, 2], 1), 3);
  assert.equal(percentile([3, 1, 2], 0.95), 3);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

Deno.test("percentile() leaves at least its share of the values at or below it, and no less would", () => {
  const share = fc.double({ min: 0.01, max: 1, noNaN: true });
  fc.assert(fc.property(times, share, (values, share) => {
    const found = percentile(values, share);
    const atMost = (limit: number) => values.filter((value) => value <= limit).length;
    const below = values.filter((value) => value < found).length;
    assert.ok(atMost(found) >= share * values.length);
    assert.ok(below < share * values.length);
  }));
});

Deno.test("holdAgainst() meets a limit at its edge, and none with what is not a number", () => {
  assert.deepEqual(holdAgainst(0.7, { atMost: 0.7 }), {
    value: 0.7,
    atMost: 0.7,
    unit: "×",
    met: true,
  });
  assert.equal(holdAgainst(0.71, { atMost: 0.7 }).met, false);
  assert.equal(holdAgainst(4, { atLeast: 4 }).met, true);
  assert.equal(holdAgainst(3.9, { atLeast: 4 }).met, false);
  assert.equal(holdAgainst(NaN, { atMost: 1 }).met, false);
  assert.equal(holdAgainst(NaN, { atLeast: 1 }).met, false);
  assert.equal(holdAgainst(0.004, { atMost: 0.005 }, "s").unit, "s");
});
