import assert from "node:assert/strict";
import fc from "fast-check";
import { latticeGrid } from "../../../core/preference.ts";
import { hypervolume } from "../../../core/front/indicators.ts";
import {
  exactDpo,
  exactFront,
  exactRlhf,
  expectedRewards,
  knowsExactDpo,
  pairPopulation,
} from "../../../data/builtin/exact.ts";
import { tabularAggregations } from "../../../data/builtin/scalarisation.ts";
import { solveTabularDpo } from "../../../data/builtin/tabular_dpo.ts";
import { createWorld, type WorldPrompt } from "../../../data/builtin/world.ts";
import golden from "../../golden/builtin_exact.json" with { type: "json" };

function prompts(rewards: number[][][]): WorldPrompt[] {
  const topic = createWorld().test[0]?.topic;
  assert.ok(topic);
  return rewards.map((answers) => ({
    text: "",
    topic,
    severity: 0,
    answers: answers.map((values) => ({ kind: "", text: "", rewards: values })),
  }));
}

function near(actual: number[], expected: number[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) =>
    assert.ok(Math.abs(value - (expected[i] ?? NaN)) <= tolerance, `[${actual}] ≠ [${expected}]`)
  );
}

function logSigmoid(x: number): number {
  return -Math.log1p(Math.exp(-x));
}

Deno.test("expectedRewards() is the mean over prompts of the softmax-weighted rewards", () => {
  const set = prompts([[[1, 0], [0, 1]], [[0.5, 0.2], [0.1, 0.8]]]);
  // Prompt 1: log-probs 0 and ln 3 → ¼, ¾: rewards (¼, ¾). Prompt 2: equal → (0.3, 0.5).
  // Mean: ((0.25 + 0.3) / 2, (0.75 + 0.5) / 2) = (0.275, 0.625).
  near(expectedRewards([[0, Math.log(3)], [-40, -40]], set), [0.275, 0.625], 1e-12);
});

Deno.test("expectedRewards() refuses another shape and values that are not finite", () => {
  const set = prompts([[[1, 0], [0, 1]]]);
  assert.throws(() => expectedRewards([[0]], set), /Cannot read log-probabilities.*2 answers/);
  assert.throws(() => expectedRewards([[0, 0], [0, 0]], set), /expected 1 prompts/);
  assert.throws(() => expectedRewards([[0, -Infinity]], set), RangeError);
});

Deno.test("exactDpo() on one pair at a corner is π_ref tilted by the label's log-odds over β", () => {
  // One pair, λ = (1, 0): the loss −p·log σ(d) − (1−p)·log σ(−d) has its minimum at
  // d = logit(p) = scale·(1 − 0.5) = 2 · 0.5 = 1. β = 0.5: log-ratio 2. Reference log-odds 1:
  // π(first) = σ(1 + 2) = 0.952574.
  const point = exactDpo(prompts([[[1, 0], [0.5, 1]]]), {
    reference: [[1, 0]],
    beta: 0.5,
    labelScale: 2,
    preference: [1, 0],
  });
  assert.ok(Math.abs(Math.exp(point.logProbs[0]?.[0] ?? 0) - 0.952574) < 1e-6);
  // Expected helpful reward 0.952574 · 1 + 0.047426 · 0.5 = 0.976287; harmless 0.047426.
  near(point.values, [0.976287, 0.047426], 1e-6);
});

Deno.test("exactDpo() on one pair between two corners mixes the label probabilities", () => {
  // p = (σ(2), σ(−4)) = (0.880797, 0.017986), λ = (¾, ¼): mixed 0.665094, log-odds 0.686212;
  // β = 1 and a flat reference: π(first) = 0.665094.
  const point = exactDpo(prompts([[[1, 0], [0.5, 1]]]), {
    reference: [[0, 0]],
    beta: 1,
    labelScale: 4,
    preference: [0.75, 0.25],
  });
  assert.ok(Math.abs(Math.exp(point.logProbs[0]?.[0] ?? 0) - 0.665094) < 1e-6);
});

Deno.test("exactDpo() with Tche on one symmetric pair balances the two losses", () => {
  // p = (σ(3), σ(−3)), λ = (½, ½): L_1(d) = L_2(−d), so the maximum is least at d = 0.
  const point = exactDpo(prompts([[[1, 0], [0, 1]]]), {
    reference: [[0, 0]],
    beta: 0.1,
    labelScale: 3,
    aggregation: "tche",
    preference: [0.5, 0.5],
  });
  near(point.values, [0.5, 0.5], 1e-6);
});

Deno.test("solveTabularDpo() with Tche: the larger weighted loss cannot be lowered further", () => {
  // One pair with p = (0.9, 0.3), λ = (0.8, 0.2): at d = logit(0.9), 0.8·L_1 = 0.8 · 0.325083 =
  // 0.260066 while 0.2·L_2 = 0.2 · (0.3 · 0.105361 + 0.7 · 2.302585) = 0.328684 is larger, so the
  // optimum is where the two meet: 0.8·L_1(d) = 0.2·L_2(d).
  const { values, losses, gap } = solveTabularDpo({
    answersPerPrompt: [2],
    pairs: [{ first: 0, second: 1, probabilities: [0.9, 0.3] }],
  }, { preference: [0.8, 0.2], aggregation: "tche" });
  near([0.8 * (losses[0] ?? 0)], [0.2 * (losses[1] ?? 0)], 1e-5);
  const d = (values[0] ?? 0) - (values[1] ?? 0);
  near(losses, [0.9, 0.3].map((p) => -p * logSigmoid(d) - (1 - p) * logSigmoid(-d)), 1e-12);
  assert.ok(gap < 1e-6);
});

Deno.test("exactRlhf() is π_ref·exp(r_λ/β), normalised", () => {
  // λ = (¾, ¼): r = (0.75, 0.625); β = 0.125: scores (6, 5), difference 1; reference log-odds −1:
  // equal probabilities.
  const set = prompts([[[1, 0], [0.5, 1]]]);
  const point = exactRlhf(set, { reference: [[-1, 0]], beta: 0.125, preference: [0.75, 0.25] });
  near(point.values, [0.75, 0.5], 1e-12);
});

Deno.test("the exact optima agree with scipy's on a small table", () => {
  const cases: Record<string, number[][][]> = golden.cases;
  for (const row of golden.rows) {
    const set = prompts(cases[row.case] ?? []);
    const { reference, beta, labelScale } = golden;
    const { preference, aggregation, objective } = row;
    const rpo = "rpo" in row ? golden.rpo : undefined;
    const options = { reference, beta, labelScale, aggregation, rpo };
    const [point] = exactFront(set, { ...options, objective, grid: [preference] });
    assert.ok(point);
    // SLSQP's epigraph solution carries about half of double precision's digits.
    const tolerance = objective === "dpo" ? aggregation === "tche" ? 2e-5 : 1e-7 : 1e-12;
    near(point.values, row.values, tolerance);
    row.policies.forEach((policy, p) =>
      near((point.logProbs[p] ?? []).map(Math.exp), policy, tolerance)
    );
    if (!row.losses) continue;
    const solution = solveTabularDpo(pairPopulation(set, { labelScale }), {
      preference,
      aggregation,
    });
    near(solution.losses, row.losses, tolerance);
  }
});

/** Every aggregation that is solved, of the weighted losses, under the defaults of a run. */
const aggregated: Record<string, (weighted: number[]) => number> = {
  ls: total,
  tche: (weighted) => Math.max(...weighted),
  smooth_tche: (weighted) => 0.1 * Math.log(total(weighted.map((loss) => Math.exp(loss / 0.1)))),
  augmented_tche: (weighted) => Math.max(...weighted) + 0.05 * total(weighted),
};

function total(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

Deno.test("solveTabularDpo(): no nearby table has a smaller aggregated loss", () => {
  const unit = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(unit, unit), { minLength: 2, maxLength: 5 }),
      unit,
      fc.constantFrom(...Object.keys(tabularAggregations)),
      fc.array(fc.double({ min: -0.1, max: 0.1, noNaN: true }), { minLength: 5, maxLength: 5 }),
      (rewards, weight, aggregation, nudge) => {
        const population = pairPopulation(prompts([rewards]), { labelScale: 4 });
        const preference = [weight, 1 - weight];
        const { values, losses } = solveTabularDpo(population, { preference, aggregation });
        const aggregate = (all: number[]) => {
          const weighted = all.map((loss, i) => loss * (preference[i] ?? 0));
          return aggregated[aggregation]?.(weighted) ?? NaN;
        };
        const nearby = [0, 1].map((i) =>
          population.pairs.reduce((sum, { first, second, probabilities }) => {
            const at = (index: number) => (values[index] ?? 0) + (nudge[index] ?? 0);
            const d = at(first) - at(second);
            const p = probabilities[i] ?? 0;
            return sum - p * logSigmoid(d) - (1 - p) * logSigmoid(-d);
          }, 0) / population.pairs.length
        );
        assert.ok(aggregate(losses) <= aggregate(nearby) + 2e-6);
      },
    ),
    { seed: 1, numRuns: 200 },
  );
});

Deno.test("solveTabularDpo() refuses labels that are certain and unknown aggregations", () => {
  const pair = { first: 0, second: 1, probabilities: [1, 0.5] };
  const population = { answersPerPrompt: [2], pairs: [pair] };
  assert.throws(
    () => solveTabularDpo(population, { preference: [0.5, 0.5], aggregation: "ls" }),
    /expected probabilities in \(0, 1\), got \[1,0.5\]/,
  );
  assert.throws(
    () => solveTabularDpo(population, { preference: [0.5, 0.5], aggregation: "max" }),
    /expected an aggregation among ls, tche, smooth_tche, augmented_tche, got max/,
  );
});

Deno.test("exactFront() of the world is curved, ordered and non-dominated (LS)", () => {
  const { test } = createWorld();
  const reference = test.map(({ answers }) => answers.map(() => 0));
  const start = expectedRewards(reference, test);
  const grid = latticeGrid(2, 11);
  const front = exactFront(test, { objective: "dpo", grid, reference, beta: 0.1 });
  for (const { certificate } of front) assert.ok(certificate.gradientNorm < 1e-10);
  const byHelpful = [...front].sort((a, b) => (a.values[0] ?? 0) - (b.values[0] ?? 0));
  byHelpful.forEach(({ values: [helpful = 0, harmless = 0], preference }, i) => {
    const before = byHelpful[i - 1];
    if (before === undefined) return;
    assert.ok(
      helpful > (before.values[0] ?? 0) + 1e-3 && harmless < (before.values[1] ?? 0) - 1e-3,
    );
    assert.ok((preference[0] ?? 0) > (before.preference[0] ?? 0));
  });
  // Curved: the answer to equal weights lies well above the straight line between the ends.
  const ends = [byHelpful[0], byHelpful.at(-1)].map((point) => point?.values ?? []);
  const middle = front.find(({ preference }) => Math.abs((preference[0] ?? 0) - 0.5) < 1e-9);
  const chord = [0, 1].map((i) => ((ends[0]?.[i] ?? 0) + (ends[1]?.[i] ?? 0)) / 2);
  middle?.values.forEach((value, i) => assert.ok(value > (chord[i] ?? 0) + 0.1));
  assert.ok(hypervolume(front.map(({ values }) => values), start) > 0.05);
});

Deno.test("exactFront(): Tche of the world is certified and its ends are those of LS", () => {
  const { test } = createWorld({ dimensions: ["helpful", "harmless", "concise"] });
  const reference = test.map(({ answers }) => answers.map(() => 0));
  const grid = latticeGrid(3, 4);
  const options = { objective: "dpo", grid, reference, beta: 0.1 };
  const ls = exactFront(test, options);
  const tche = exactFront(test, { ...options, aggregation: "tche" });
  tche.forEach(({ preference, values, certificate }, i) => {
    assert.ok(certificate.gap < 1e-7 && certificate.gradientNorm < 1e-8);
    if (preference.includes(1)) near(values, ls[i]?.values ?? [], 1e-6);
  });
});

Deno.test("exactFront() under other aggregations: certified for DPO, in closed form for RLHF", () => {
  const { test } = createWorld();
  const reference = test.map(({ answers }) => answers.map(() => 0));
  const options = { grid: latticeGrid(2, 5), reference, beta: 0.1 };
  for (const aggregation of Object.keys(tabularAggregations)) {
    assert.ok(knowsExactDpo(aggregation));
    for (const { certificate } of exactFront(test, { ...options, objective: "dpo", aggregation })) {
      assert.ok(certificate.gap < 1e-6 && certificate.gradientNorm < 1e-7, aggregation);
    }
  }
  assert.ok(!knowsExactDpo("pbi"), "not convex");
  // λ = (½, ½), z = (1, 1), θ = 0: gaps (1, 0) and (0, 1) are as far along the ray (1, 1)/√2
  const settings = { smooth_tche_mu: 0.1, augmented_tche_rho: 0.05, pbi_theta: 0 };
  const [even] = exactFront(prompts([[[0, 1], [1, 0]]]), {
    ...{ objective: "rlhf", aggregation: "pbi", aggregationSettings: settings },
    ...{ grid: [[0.5, 0.5]], reference: [[0, 0]], beta: 0.1 },
  });
  near(even?.values ?? [], [0.5, 0.5], 1e-12);
  const soft = exactFront(test, {
    ...{ ...options, objective: "dpo", aggregation: "smooth_tche" },
    aggregationSettings: { ...settings, smooth_tche_mu: 1e-6 },
  });
  const hard = exactFront(test, { ...options, objective: "dpo", aggregation: "tche" });
  soft.forEach(({ values }, i) => near(values, hard[i]?.values ?? [], 1e-4));
});

Deno.test("exactFront() names objectives and aggregations it does not know", () => {
  const options = { grid: [[1, 0]], reference: [], beta: 0.1 };
  assert.throws(() => exactFront([], { ...options, objective: "ppo" }), /dpo, rlhf, got ppo/);
  assert.throws(
    () => exactFront([], { ...options, objective: "rlhf", aggregation: "max" }),
    /ls, tche, smooth_tche, augmented_tche, pbi, got max/,
  );
});
