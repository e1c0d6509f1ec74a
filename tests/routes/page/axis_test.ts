import assert from "node:assert/strict";
import fc from "fast-check";
import { figure, makeScale } from "../../../routes/page/plot/axis.ts";

Deno.test("ticks are round numbers inside the domain", () => {
  const { ticks } = makeScale([0.07, 1.02], [0, 100], { count: 5 });
  assert.deepEqual(ticks.map(({ text }) => text), ["0.2", "0.4", "0.6", "0.8", "1.0"]);
  const whole = makeScale([0, 3], [0, 100], { count: 10, whole: true });
  assert.deepEqual(whole.ticks.map(({ text }) => text), ["0", "1", "2", "3"]);
  const large = makeScale([0, 20_000], [0, 100], { count: 2 });
  assert.deepEqual(large.ticks.map(({ text }) => text), ["0", "10,000", "20,000"]);
});

Deno.test("a scale carries the ends of the domain to the ends of the range", () => {
  const { toPixels } = makeScale([2, 4], [100, 20]);
  assert.deepEqual([2, 3, 4].map(toPixels), [100, 60, 20]);
});

Deno.test("any domain has few ticks, all inside it and told apart by their text", () => {
  const domains = fc.tuple(
    fc.double({ min: -1e6, max: 1e6, noNaN: true }),
    fc.double({ min: 1e-4, max: 1e6, noNaN: true }),
  );
  fc.assert(fc.property(domains, fc.integer({ min: 2, max: 10 }), ([low, extent], count) => {
    const { ticks, toPixels } = makeScale([low, low + extent], [0, 500], { count });
    assert.ok(ticks.length <= 2 * count + 1, `${ticks.length} ticks`);
    for (const { at } of ticks) {
      assert.ok(toPixels(at) > -0.01 && toPixels(at) < 500.01);
    }
    assert.equal(new Set(ticks.map(({ at }) => at)).size, ticks.length);
  }));
});

Deno.test("a scale of one value still has a place for it", () => {
  const { toPixels } = makeScale([3, 3], [0, 100]);
  assert.equal(toPixels(3), 0);
});

Deno.test("figures are short whatever their size", () => {
  assert.deepEqual(
    [0, 0.12345, 12.345, 123.456, 0.00001234, 2.5e7, NaN].map(figure),
    ["0.000", "0.123", "12.35", "123", "1.23e-5", "2.50e+7", "–"],
  );
});
