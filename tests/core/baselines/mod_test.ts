import assert from "node:assert/strict";
import { assembleMembers } from "../../../core/baselines/assemble.ts";
import { baselines, budgets, memberRun } from "../../../core/baselines/mod.ts";
import { addCompute, comparedMethod, runCompute } from "../../../core/baselines/compute.ts";
import { compositeAdapters } from "../../../core/adapters/mod.ts";
import { plainSvdLora } from "../../../core/adapters/plain_svd_lora.ts";
import { presets, RunConfig } from "../../../core/config.ts";
import { Random } from "../../../core/random.ts";

const template = RunConfig.parse({ ...presets.builtin?.values, lora_scaling_factor: 0.1 });

Deno.test("rewarded_soups has one member per dimension, discrete_policies one per grid point", () => {
  assert.deepEqual(baselines.rewarded_soups.members(3, 11), [[1, 0, 0], [0, 1, 0], [0, 0, 1]]);
  assert.deepEqual(baselines.discrete_policies.members(2, 3), [[0, 1], [0.5, 0.5], [1, 0]]);
  assert.equal(baselines.discrete_policies.members(2, 11).length, 11); // as in the paper
  assert.equal(baselines.discrete_policies.members(3, 5).length, 15); // C(4 + 2, 2)
});

Deno.test("memberRun() differs from the run in what makes it one policy for one λ, and no more", () => {
  const member = memberRun(template, { preference: [0.3, 0.7], folder: "runs/m", steps: 50 });
  assert.deepEqual(RunConfig.parse(member), member);
  const changed = Object.keys(member).filter((key) =>
    member[key as keyof RunConfig] !== template[key as keyof RunConfig]
  );
  assert.deepEqual(changed.sort(), [
    ...["adapter", "bootstrap", "fixed_preference", "grid", "lora_scaling_factor", "max_steps"],
    ...["output_dir", "save_total_limit"],
  ]);
  assert.equal(member.adapter, "plain_svd_lora");
  assert.equal(member.fixed_preference, "0.3,0.7");
  assert.equal(member.max_steps, 50);
  const same = memberRun(template, { preference: [1, 0], folder: "runs/m" });
  assert.equal(same.max_steps, template.max_steps);
  assert.equal(same.seed, template.seed);
});

Deno.test("budgets: each member as long as the run, or all members together", () => {
  assert.equal(budgets.each.steps(), undefined); // as in the run's settings
  assert.equal(budgets.total.steps(600, 11), 54);
  assert.equal(budgets.total.steps(3, 11), 1);
});

for (const [name, create] of Object.entries(compositeAdapters)) {
  Deno.test(`assembleMembers() gives ${name} its parameters: it is the members, by their shares`, () => {
    const options = { rank: 2, objectives: 2, alpha: 6, init: "gaussian" } as const;
    const member = plainSvdLora(options);
    const map = "model.layers.0.mlp.up_proj";
    const random = new Random(3);
    const members = [0, 1].map(() =>
      new Map(member.parameterNames.map((part, p) => {
        const shape = [[4, 3], [3, 5], [3]][p] ?? [];
        const values = Float32Array.from({ length: [12, 15, 3][p] ?? 0 }, () => random.normal());
        return [`${map}.${part}`, { shape, values }];
      }))
    );
    const whole = assembleMembers(members);
    const composite = create({ ...options, members: [[1, 0], [0, 1]] });
    assert.deepEqual([...whole.keys()], composite.parameterNames.map((part) => `${map}.${part}`));
    for (const [i, preference] of [[1, 0], [0, 1]].entries()) {
      assert.deepEqual(
        composite.merge([...whole.values()], preference),
        member.merge([...members[i]?.values() ?? []], preference),
      );
    }
  });
}

Deno.test("runCompute() takes tokens from the last row and makes up for steps not logged", () => {
  // Every second of 6 steps logged, 1, 2 and 3 s long: mean 2 s, so 12 s in all.
  const rows = [
    { step: 2, tokens: 200, seconds: 1 },
    { step: 4, tokens: 380, seconds: 2 },
    { step: 6, tokens: 600, seconds: 3 },
  ];
  assert.deepEqual(runCompute(rows), { runs: 1, steps: 6, tokens: 600, seconds: 12 });
  assert.deepEqual(runCompute([]), { runs: 1, steps: 0, tokens: 0, seconds: 0 });
  assert.deepEqual(addCompute([runCompute(rows), runCompute(rows.slice(0, 1))]), {
    runs: 2,
    steps: 8,
    tokens: 800,
    seconds: 14,
  });
});

Deno.test("comparedMethod() sets the hypervolume in relation to the tokens", () => {
  const indicators = {
    ...{ hypervolume: 0.5, innerProduct: 0, sparsity: 0, spacing: 0, span: [0, 0] },
    dominatedShare: 0,
  };
  const front = { name: "soups", indicators, hypervolumeShare: 1, dominatedByOthers: 0 };
  const compute = { runs: 2, steps: 10, tokens: 2_000_000, seconds: 1 };
  const method = comparedMethod(front, { adapter: "a", members: [], compute });
  assert.equal(method.hypervolumePerMillionTokens, 0.25);
  const none = comparedMethod(front, { adapter: "a", members: [], compute: addCompute([]) });
  assert.equal(none.hypervolumePerMillionTokens, null);
});
