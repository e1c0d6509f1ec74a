import assert from "node:assert/strict";
import { latticeGrid } from "../../../core/preference.ts";
import { summarizeFront } from "../../../core/front/report.ts";
import {
  comparable,
  counterpart,
  frontTitle,
  isBaseline,
  mainFront,
  otherSteps,
} from "../../../routes/page/front/series.ts";
import { queryLike, queryText } from "../../../routes/page/front/query.ts";

function report(
  grid: number,
  dimensions = ["helpful", "harmless"],
  settings: Record<string, unknown> = {},
) {
  const preferences = latticeGrid(dimensions.length, grid);
  return summarizeFront({
    adapter: "a",
    metric: "implicit_accuracy",
    dimensions,
    preferences,
    outcomes: dimensions.map((_, i) => ({
      values: preferences.map((preference) => [preference[i] ?? 0]),
    })),
    referencePoint: dimensions.map(() => 0),
    settings,
  }, { seed: 1, resamples: 0 });
}

/** A front of two dimensions with these settings. */
const measured = (settings: Record<string, unknown>, grid = 3) =>
  report(grid, ["helpful", "harmless"], settings);

Deno.test("the finest front is shown first, of equals the one of the end of training", () => {
  assert.equal(mainFront({}), null);
  assert.equal(mainFront({ front: report(3), final: report(5), "step-10": report(5) }), "final");
  assert.equal(mainFront({ final: report(3), fine: report(9) }), "fine");
});

Deno.test("a baseline stands beside a front, never in its place", () => {
  assert.ok(isBaseline("baseline-soup"));
  assert.equal(mainFront({ "baseline-soup": report(9), final: report(3) }), "final");
  assert.equal(mainFront({ "baseline-soup": report(9) }), null);
});

Deno.test("fronts stand in one plot where dimensions and measure agree", () => {
  assert.ok(comparable(report(3), report(5)));
  assert.equal(comparable(report(3), report(3, ["helpful", "concise"])), false);
  assert.equal(comparable(report(3), { ...report(3), metric: "reward" }), false);
});

Deno.test("fronts of other prompts, judges or limits do not stand in one plot", () => {
  const settings = { data: "a", limit: null, seed: 1, responses: { rewardModel: "r" } };
  const own = measured(settings);
  assert.ok(comparable(own, measured({ ...settings, seed: 2, adapterHash: "h", grid: 5 })));
  for (
    const other of [{ data: "b" }, { limit: 5 }, { responses: { rewardModel: "s" } }, {
      maxLength: 64,
    }]
  ) {
    assert.equal(comparable(own, measured({ ...settings, ...other })), false);
  }
  // A limit leaves prompts that the seed draws.
  const limited = { ...settings, limit: 5 };
  assert.equal(comparable(measured(limited), measured({ ...limited, seed: 2 })), false);
});

Deno.test("another adapter is shown by its latest front of the same measure", () => {
  const own = measured({ data: "a", step: 7 });
  const fronts = {
    early: measured({ data: "a", step: 1 }, 9),
    late: measured({ data: "a", step: 8 }),
    fine: measured({ data: "a", step: 8 }, 5),
    else: measured({ data: "b", step: 9 }, 9),
  };
  assert.equal(counterpart(own, fronts), fronts.fine);
  assert.equal(counterpart(own, { else: fronts.else }), null);
});

Deno.test("the growth of a front is that of the same measurement at other steps", () => {
  const settings = { data: "a", grid: 3, adapterHash: "x", step: 30 };
  const own = measured(settings);
  const fronts = {
    own,
    first: measured({ ...settings, adapterHash: "y", step: 10 }),
    second: measured({ ...settings, adapterHash: "z", step: 20 }),
    finer: measured({ ...settings, grid: 5, step: 25 }),
    stepless: measured({ ...settings, step: undefined }),
  };
  assert.deepEqual(otherSteps(own, fronts).map(({ step }) => step), [20, 10]);
});

Deno.test("another adapter is asked for what the front on show was measured with", () => {
  const shown = measured({
    grid: 5,
    limit: null,
    resamples: 10,
    seed: 3,
    rewardModel: "builtin",
    responses: { rewardModel: "hash", maxNewTokens: 8, format: "int8" },
  });
  assert.equal(
    queryText(queryLike({ ...shown, metric: "reward" }, "second")),
    "adapter=second&metric=reward&grid=5&bootstrap=10&seed=3&reward_model=builtin" +
      "&max_new_tokens=8&rollout_format=int8",
  );
  assert.equal(queryText({ adapter: "a", metric: "", grid: " 7 " }), "adapter=a&grid=7");
});

Deno.test("stored fronts have titles that people can read", () => {
  const titles = ["final", "step-10", "0123456789abcdef0123456789abcdef", "baseline-soup"]
    .map((name) => frontTitle(name, report(5)));
  assert.deepEqual(titles, ["end of training", "step 10", "5 points, on request", "baseline-soup"]);
  const digest = "0123456789abcdef0123456789abcdef";
  assert.equal(frontTitle(digest, measured({ step: 20 })), "step 20, 3 points");
});
