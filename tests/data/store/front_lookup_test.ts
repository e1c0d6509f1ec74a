import assert from "node:assert/strict";
import { join } from "node:path";
import { type FrontReport, summarizeFront } from "../../../core/front/report.ts";
import { findFront, readFrontReports } from "../../../data/store/front_lookup.ts";
import { frontName, FrontSettings } from "../../../data/store/front_settings.ts";
import { saveFront } from "../../../data/store/run_folder.ts";
import { temporaryFolder } from "./fixtures.ts";

const settings: FrontSettings = {
  adapterHash: "a".repeat(64),
  base: "b".repeat(64),
  template: "t".repeat(64),
  loraAlpha: 512,
  beta: 0.1,
  objective: "dpo",
  aggregation: "ls",
  metric: "implicit_accuracy",
  data: "d".repeat(64),
  dimensions: ["helpful", "harmless"],
  grid: 11,
  limit: null,
  maxLength: 512,
  overlong: "drop",
  resamples: 1000,
  seed: 42,
  dtype: "float32",
};

/** The same settings with one of them changed, for each of them. */
const others: [string, FrontSettings][] = Object.entries(settings).map(([name, value]) => {
  const change = { metric: "expected_reward", limit: 100, dimensions: ["harmless", "helpful"] };
  const other = change[name as keyof typeof change] ??
    (typeof value === "number" ? value + 1 : `${value}x`);
  return [name, FrontSettings.parse({ ...settings, [name]: other })];
});

function report(settings: Record<string, unknown>, value = 1): FrontReport {
  const preferences = [[0, 1], [1, 0]];
  return summarizeFront({
    adapter: "/somewhere/runs/a",
    metric: "implicit_accuracy",
    dimensions: ["helpful", "harmless"],
    preferences,
    outcomes: [0, 1].map((i) => ({ values: preferences.map((p) => [value * (p[i] ?? 0)]) })),
    referencePoint: [0, 0],
    settings: { ...settings, step: 7, dataset: "/somewhere/data.jsonl" },
  }, { seed: 42, resamples: 10 });
}

const files = (json: FrontReport, text = "x") => ({ json, svg: `<svg>${text}</svg>`, csv: text });

Deno.test("findFront() finds the front of exactly these settings, whatever its name", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "a");
  await Deno.mkdir(path);
  assert.equal(await findFront(path, settings), null);
  await saveFront(path, "final", files(report(settings)));
  for (const [name, other] of others) {
    assert.equal(await findFront(path, other), null, name);
    await saveFront(path, frontName(other), files(report(other), name));
  }
  assert.equal((await findFront(path, settings))?.csv, "x");
  for (const [name, other] of others) assert.equal((await findFront(path, other))?.csv, name);
  assert.equal(new Set(others.map(([, other]) => frontName(other))).size, others.length);
});

Deno.test("frontName() does not depend on the order of the settings or on what else is told", () => {
  const reversed = Object.fromEntries(Object.entries(settings).reverse());
  assert.equal(frontName({ ...FrontSettings.parse(reversed) }), frontName(settings));
  const more = { ...settings, step: 7, engine: "wasm" };
  assert.equal(frontName(more), frontName(settings));
  assert.match(frontName(settings), /^[0-9a-f]{32}$/);
});

Deno.test("a front found names the adapter, and no folder of this machine", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "a");
  await Deno.mkdir(path);
  await saveFront(path, "final", files(report(settings)));
  const found = await findFront(path, settings);
  assert.equal(found?.report.adapter, "a");
  assert.equal(found?.report.settings.dataset, "data.jsonl");
  assert.ok(!JSON.stringify(found).includes("somewhere"));
});

Deno.test("fronts of an earlier version, damaged ones and those without a picture are no answer", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "a");
  await Deno.mkdir(path);
  await saveFront(path, "old", files(report({ grid: 11, dtype: "float32" })));
  await saveFront(path, "bare", files(report(settings)));
  await Deno.remove(join(path, "fronts", "bare.svg"));
  await saveFront(path, "torn", files(report(settings)));
  await Deno.truncate(join(path, "fronts", "torn.json"), 100);
  assert.equal(await findFront(path, settings), null);
  assert.deepEqual(Object.keys(await readFrontReports(path)), ["bare", "old"]);
});

Deno.test("a front that was written anew or removed is seen as it is now", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "a");
  await Deno.mkdir(path);
  for (const value of [1, 0.5]) {
    await saveFront(path, "final", files(report(settings, value), `${value}`));
    const found = await findFront(path, settings);
    assert.equal(found?.csv, `${value}`);
    assert.deepEqual(found?.report.points[1]?.values, [value, 0]);
  }
  await Deno.remove(join(path, "fronts", "final.json"));
  assert.equal(await findFront(path, settings), null);
});

Deno.test("a front of 1001 points is answered again in at most a third of the time of reading it", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "a");
  await Deno.mkdir(path);
  const one = report(settings);
  const [point] = one.points;
  assert.ok(point);
  const large = { ...one, points: new Array(1001).fill(point) };
  const time = async () => {
    const start = performance.now();
    assert.equal((await findFront(path, settings))?.report.points.length, 1001);
    return performance.now() - start;
  };
  const [reading, again]: [number[], number[]] = [[], []];
  for (let round = 0; round < 5; round++) {
    await saveFront(path, "final", files(large));
    reading.push(await time());
    for (let i = 0; i < 5; i++) again.push(await time());
  }
  const median = (times: number[]) => times.sort((a, b) => a - b)[times.length >> 1] ?? NaN;
  const [slow, fast] = [median(reading), median(again)];
  assert.ok(fast * 3 < slow, `${fast.toFixed(2)} ms against ${slow.toFixed(2)} ms`);
});
