// Fronts by rewards over HTTP on a real server: the jobs generate in Workers with their own
// permissions, judge by the world's program, a trained reward model and a classifier, and what they
// measured stands side by side.
import assert from "node:assert/strict";
import { join } from "node:path";
import type { FrontComparison } from "../../core/front/comparison.ts";
import type { FrontReport } from "../../core/front/report.ts";
import type { Job } from "../../data/store/job.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { storeBuiltinAdapter } from "./builtin_adapter.ts";
import { writeClassifier } from "./rewards/tiny_classifier.ts";
import { ask, engine, finished, post, serve, smallRun } from "./serving.ts";

// An open library stays with its process.
const options = { sanitizeResources: false };
const small = { grid: "2", bootstrap: "5", limit: "3", max_new_tokens: "8", wait: "120" };

/** Address of GET /front for small measurements. */
function front(url: string, query: Record<string, string>): string {
  return `${url}/front?${new URLSearchParams({ ...small, ...query })}`;
}

Deno.test("fronts by rewards are measured by jobs and compared over HTTP", options, async (t) => {
  await using folder = await temporaryFolder();
  const runs = join(folder.path, "runs");
  const files = join(folder.path, "files");
  await Deno.mkdir(files, { recursive: true });
  await using serving = await serve(runs, { files });
  const { url, troubles } = serving;
  // Fronts need a run around the adapter that says on which data it was trained.
  for (const name of ["first", "second"]) {
    const { id } = await post<Job>(`${url}/runs`, smallRun(name, { max_steps: 1, save_steps: 1 }));
    assert.equal((await finished(url, id)).state, "done");
  }

  await t.step("judged by the world's program", async () => {
    const asked = front(url, { adapter: "first", metric: "reward" });
    const report = await ask<FrontReport>(asked);
    assert.equal(report.metric, "reward");
    assert.equal(report.points.length, 2);
    assert.equal(report.distributions?.length, 2);
    assert.equal(report.settings.rewardModel, "builtin");
    const answer = await fetch(`${asked}&view=rewards`, { headers: { accept: "image/svg+xml" } });
    assert.match(await answer.text(), /^<svg .*no adapter/s);
    assert.equal(
      (await ask<Job[]>(`${url}/runs`)).filter(({ kind }) => kind === "front").length,
      1,
    );
  });

  await t.step("side by side, the missing one measured first", async () => {
    const asked = front(url, { adapter: "first", compare: "second", metric: "reward" });
    const comparison = await ask<FrontComparison>(asked);
    assert.deepEqual(comparison.fronts.map(({ name }) => name), ["first", "second"]);
    const picture = await fetch(asked, { headers: { accept: "image/svg+xml" } });
    assert.match(await picture.text(), />second</);
  });

  await t.step("judged by a reward model that was trained here, by its name", async () => {
    const { id } = await post<Job>(
      `${url}/runs`,
      smallRun("judge", { objective: "reward", max_steps: 1 }),
    );
    assert.equal((await finished(url, id)).state, "done");
    const report = await ask<FrontReport>(
      front(url, { adapter: "first", metric: "reward", reward_model: "judge" }),
    );
    assert.equal(report.settings.rewardModel, "judge");
    assert.ok(report.points.every(({ values }) => values.every(Number.isFinite)));
  });

  await t.step("judged by a classifier in the folder of files", async () => {
    const labels = { good: { please: 2, careful: 1 }, bad: { sure: 1 } };
    await writeClassifier(join(files, "tone"), { labels });
    const reward_model = "helpful=tone#bad,harmless=tone#good";
    const report = await ask<FrontReport>(
      front(url, { adapter: "first", metric: "reward", reward_model }),
    );
    assert.equal(report.settings.rewardModel, reward_model);
  });

  await t.step("of a checkpoint", async () => {
    const report = await ask<FrontReport>(
      front(url, { adapter: "first", metric: "reward", checkpoint: "1" }),
    );
    assert.equal(report.settings.step, 1);
  });

  await t.step("by a run of PPO, whose job generates too", async () => {
    const { id } = await post<Job>(`${url}/runs`, {
      ...{ name: "policy", objective: "ppo", max_steps: 1, engine, grid: 2, bootstrap: 5 },
      ...{ rollout_batch_size: 4, per_device_train_batch_size: 4, max_new_tokens: 8 },
    });
    const job = await finished(url, id);
    assert.deepEqual({ state: job.state, error: job.error }, { state: "done", error: null });
    const report = await ask<FrontReport>(front(url, { adapter: "policy", metric: "reward" }));
    assert.equal(report.points.length, 2);
  });

  await t.step("wrong names are refused in a sentence that names no folder", async () => {
    for (
      const [query, words] of [
        [{ reward_model: "/etc/passwd" }, /Cannot use this model: expected builtin, /],
        [{ reward_model: "../files" }, /Cannot use this model: expected builtin, /],
        [{ reward_model: "helpful=builtin" }, /expected a source for the dimension harmless/],
        [{ reward_model: "second" }, /expected a reward model, got a policy's adapter/],
        [{ adapter: "judge" }, /expected a policy's adapter, got a reward model/],
        [{ compare: "judge" }, /expected a policy's adapter, got a reward model/],
        [{ checkpoint: "9" }, /expected the folder of a run or checkpoint, got nothing there/],
      ] satisfies [Record<string, string>, RegExp][]
    ) {
      const answer = await fetch(front(url, { adapter: "first", metric: "reward", ...query }));
      assert.ok([400, 404].includes(answer.status), `${JSON.stringify(query)}: ${answer.status}`);
      const { detail } = await answer.json();
      assert.match(detail, words);
      assert.ok(!detail.includes(folder.path), detail);
    }
  });
  assert.deepEqual(troubles, []);
});

Deno.test("an adapter without a run needs a data set, which the service does not take", async () => {
  await using folder = await temporaryFolder();
  await storeBuiltinAdapter(join(folder.path, "bare"), { seed: 1 });
  await using serving = await serve(folder.path);
  const answer = await fetch(front(serving.url, { adapter: "bare", metric: "reward" }));
  assert.equal(answer.status, 400);
  assert.match((await answer.json()).detail, /Cannot choose test data for bare/);
});
