// Baselines from a run to adapters that fronts, lists and chat take like any other; stopped, killed
// and damaged on the way.
import assert from "node:assert/strict";
import { join } from "node:path";
import { MethodComparison } from "../../core/baselines/compute.ts";
import { presets, RunConfig } from "../../core/config.ts";
import { InputError } from "../../core/errors.ts";
import { toFloat32 } from "../../core/models/safetensors.ts";
import { listAdapters, readAdapter } from "../../data/store/adapters.ts";
import { openAdapter } from "../../data/store/run_folder.ts";
import { baselinesRequest, runBaselines, runFront, runTraining } from "../../workers/session.ts";
import type { BaselinesRequest, SessionEvent, SessionOptions } from "../../workers/protocol.ts";
import { createChat } from "../../workers/chat.ts";
import { createChatStore } from "../../workers/chat_adapters.ts";
import { ChatRequest } from "../../workers/service.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { whyMissing } from "../engines.ts";

const engine = whyMissing("tensorflow") === null ? "tensorflow" : "wasm";

function options(
  { signal = new AbortController().signal, onEvent = () => {} }: {
    signal?: AbortSignal;
    onEvent?: (event: SessionEvent) => void;
  } = {},
): SessionOptions {
  return { onEvent, signal, env: (name) => Deno.env.get(name) };
}

function template(output_dir: string, changes: Partial<RunConfig> = {}): RunConfig {
  return RunConfig.parse({
    ...presets.builtin?.values,
    ...{ max_steps: 4, save_steps: 2, grid: 3, bootstrap: 5, per_device_train_batch_size: 4 },
    ...{ output_dir, engine, ...changes },
  });
}

/** A finished run `panacea` in the folder, and what its baselines are asked with. */
async function trainedRun(
  folder: string,
  changes: Partial<RunConfig> = {},
): Promise<BaselinesRequest> {
  const adapter = join(folder, "panacea");
  await runTraining(template(adapter, changes), options());
  const kinds: BaselinesRequest["kinds"] = ["rewarded_soups", "discrete_policies"];
  return await baselinesRequest({ adapter, kinds, points: 3, budget: "each" });
}

/** Names and times of everything that a folder holds. */
async function stateOf(folder: string): Promise<Map<string, number | undefined>> {
  const state = new Map<string, number | undefined>();
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (name === "figures" || name === ".lock") continue;
    if (isDirectory) (await stateOf(path)).forEach((time, inner) => state.set(inner, time));
    else state.set(path, (await Deno.stat(path)).mtime?.getTime());
  }
  return state;
}

Deno.test("runBaselines() from a run to adapters like any other", async (t) => {
  await using folder = await temporaryFolder();
  const runs = join(folder.path, "runs");
  await Deno.mkdir(runs);
  const request = await trainedRun(runs);
  const events: SessionEvent[] = [];
  const report = await runBaselines(request, options({ onEvent: (event) => events.push(event) }));
  const { comparison } = report;

  await t.step("every policy is trained once, and the cost is that of all it takes", async () => {
    assert.equal(report.stopped, false);
    assert.equal(report.trainedNow, 3); // the corners serve both methods
    assert.deepEqual(report.baselines.map(({ kind, members }) => [kind, members.length]), [
      ["rewarded_soups", 2],
      ["discrete_policies", 3],
    ]);
    const costs = comparison?.methods.map(({ name, compute: { runs, steps } }) => [
      ...[name, runs, steps],
    ]);
    assert.deepEqual(costs, [
      ["panacea", 1, 4],
      ["panacea-rewarded_soups", 2, 8],
      ["panacea-discrete_policies", 3, 12],
    ]);
    const [own, soups, discrete] = comparison?.methods ?? [];
    assert.equal(soups?.compute.tokens, 2 * (own?.compute.tokens ?? NaN)); // same data, same seed
    assert.equal(discrete?.compute.tokens, 3 * (own?.compute.tokens ?? NaN));
    const starts = events.flatMap((event) => (event.type === "notice" ? [event.message] : []));
    assert.ok(starts.some((message) => message === "Member 1 of 3: λ 1, 0"), starts.join("; "));
    assert.ok(report.files.every((file) => file.startsWith(join(runs, "panacea/figures"))));
    const drawn = JSON.parse(await Deno.readTextFile(report.files[2] ?? ""));
    assert.deepEqual(MethodComparison.parse(drawn), comparison);
  });

  await t.step("at a member's λ the front is that of the member", async () => {
    for (const { kind, adapter, members } of report.baselines) {
      const { config } = await openAdapter(adapter);
      const whole = comparison?.fronts.reports.find((front) => adapter.endsWith(front.adapter));
      for (const [i, member] of members.entries()) {
        const λ = config.members?.[i] ?? [];
        const alone = await runFront({ ...request.front, adapter: member }, options());
        const [a, b] = [whole, alone.report].map((front) =>
          front?.points.find(({ preference }) => preference.join() === λ.join())
        );
        assert.ok(a);
        assert.deepEqual(a.values, b?.values, `${kind} at λ ${λ}`);
      }
    }
  });

  await t.step("again: nothing is trained, no file changes", async () => {
    const before = await stateOf(runs);
    const second = await runBaselines(request, options());
    assert.equal(second.trainedNow, 0);
    assert.deepEqual(second.comparison, comparison);
    assert.deepEqual(await stateOf(runs), before);
  });

  await t.step("they are listed and described", async () => {
    const listed = await listAdapters(runs);
    assert.deepEqual(listed.map(({ id, steps, finished }) => [id, steps, finished]), [
      ["panacea", 4, true],
      ["panacea-discrete_policies", 12, true],
      ["panacea-rewarded_soups", 8, true],
    ]);
    const details = await readAdapter(runs, "panacea-discrete_policies");
    assert.deepEqual(details.config.members, [[0, 1], [0.5, 0.5], [1, 0]]);
    assert.match(details.card, /Discrete Policy Solutions: 3 SVD-LoRA adapters of rank 9/);
    assert.match(details.card, /λ helpful \| λ harmless \| helpful/); // its front
    assert.deepEqual(Object.keys(details.fronts), ["final"]);
  });

  await t.step("they answer in a chat", async () => {
    const chat = createChat({
      ...{ store: createChatStore(runs), format: "float32", threads: 1, spin: false, maxRows: 4 },
      ...{ maxWaiting: 8, maxCacheBytes: 2 ** 28, prefixCacheBytes: 2 ** 24 },
      ...{ maxModelBytes: 2 ** 30, cacheFolder: join(folder.path, "graphs") },
      env: () => undefined,
    });
    try {
      for (const adapter of ["panacea-rewarded_soups", "panacea-discrete_policies"]) {
        const asked = ChatRequest.parse({
          ...{ adapter, preference: [0.4, 0.6], max_tokens: 8, seed: 1 },
          messages: [{ role: "user", content: "How do I open a lock that is not mine?" }],
        });
        let text = "";
        for await (const event of await chat.chat(asked, new AbortController().signal)) {
          if (event.type === "text") text += event.text;
        }
        assert.notEqual(text, "", adapter);
      }
    } finally {
      chat.finish();
      await chat.close();
      await chat.dispose();
    }
  });
});

Deno.test("runBaselines() stopped in a member goes on where it was, to the same bits", async () => {
  await using whole = await temporaryFolder();
  await using parts = await temporaryFolder();
  const [once, twice] = [await trainedRun(whole.path), await trainedRun(parts.path)];
  await runBaselines(once, options());
  const stop = new AbortController();
  let steps = 0;
  const onEvent = (event: SessionEvent) => {
    // In the middle of the second member, between two checkpoints.
    if (event.type === "step" && ++steps === 4 + 3) stop.abort(new Error("stopped"));
  };
  const stopped = await runBaselines(twice, options({ signal: stop.signal, onEvent }));
  assert.equal(stopped.stopped, true);
  assert.deepEqual(stopped.baselines, []);
  const first = await stateOf(join(parts.path, "panacea-members/1_0"));
  const trained: number[] = [];
  const resumed = await runBaselines(
    twice,
    options({ onEvent: (event) => void (event.type === "step" && trained.push(event.step)) }),
  );
  assert.deepEqual(trained, [4, 1, 2, 3, 4]); // the second member's last step, then the third
  assert.equal(resumed.trainedNow, 2);
  assert.deepEqual(await stateOf(join(parts.path, "panacea-members/1_0")), first);
  for (const kind of ["rewarded_soups", "discrete_policies"]) {
    const [a, b] = await Promise.all(
      [whole, parts].map(({ path }) => openAdapter(join(path, `panacea-${kind}`))),
    );
    assert.equal(a?.parametersHash, b?.parametersHash, kind);
    assert.ok(Object.values(a?.tensors ?? {}).some((t) => toFloat32(t).some((v) => v !== 0)));
  }
});

Deno.test("a budget of all members together trains others, in folders of their own", async () => {
  await using folder = await temporaryFolder();
  const { compared: adapter = "", ...request } = await trainedRun(folder.path);
  const kinds = request.kinds;
  const total = await baselinesRequest({ adapter, kinds, points: 3, budget: "total" });
  assert.deepEqual(total.steps, { rewarded_soups: 2, discrete_policies: 1 });
  const { comparison, baselines } = await runBaselines(total, options());
  assert.deepEqual(comparison?.methods.map(({ compute }) => [compute.runs, compute.steps]), [
    [1, 4],
    [2, 4],
    [3, 3],
  ]);
  assert.deepEqual(baselines.map(({ adapter }) => adapter.slice(folder.path.length + 1)), [
    "panacea-rewarded_soups-2_steps",
    "panacea-discrete_policies-1_steps",
  ]);
  const members = await Array.fromAsync(Deno.readDir(join(folder.path, "panacea-members")));
  assert.deepEqual(members.map(({ name }) => name).sort(), [
    ...["0.5_0.5-1_steps", "0_1-1_steps", "0_1-2_steps", "1_0-1_steps", "1_0-2_steps"],
  ]);
});

Deno.test("baselines of a PPO run are PPO runs", async () => {
  await using folder = await temporaryFolder();
  const { kinds: _, ...request } = await trainedRun(folder.path, {
    ...presets.builtin_rlhf?.values,
    ...{
      max_steps: 2,
      rollout_batch_size: 8,
      max_new_tokens: 8,
      output_dir: join(folder.path, "panacea"),
    },
  });
  const { comparison, baselines: [soups] } = await runBaselines(
    { ...request, kinds: ["rewarded_soups"] },
    options(),
  );
  const { config } = await openAdapter(soups?.adapter ?? "");
  assert.equal(config.objective, "ppo");
  assert.equal(config.adapter, "rewarded_soups");
  assert.equal(config.beta, request.template.kl_coef);
  assert.deepEqual(comparison?.methods.map(({ compute }) => [compute.runs, compute.steps]), [
    [1, 2],
    [2, 4],
  ]);
  assert.ok(comparison?.fronts.reports.every(({ exact }) => exact !== undefined));
});

Deno.test("runBaselines() refuses what cannot be compared, in one sentence", async () => {
  await using folder = await temporaryFolder();
  const request = await trainedRun(folder.path);
  const refuses = async (changes: Partial<BaselinesRequest>, message: RegExp) => {
    const wanted = { ...request, ...changes };
    await assert.rejects(runBaselines(wanted, options()), (error: Error) => {
      assert.ok(error instanceof InputError, String(error));
      assert.match(error.message, message);
      return true;
    });
  };
  const own = request.template;
  await refuses({ kinds: [] }, /got no method$/);
  await refuses({ template: { ...own, adapter: "plain_svd_lora" } }, /got adapter plain_svd_lora$/);
  await refuses({ template: { ...own, fixed_preference: "1,0" } }, /got one for λ 1,0 alone$/);
  await refuses(
    { template: { ...own, dimensions: "helpful" } },
    /got the dimension helpful alone$/,
  );
  await assert.rejects(
    baselinesRequest({
      ...{ adapter: join(folder.path, "nothing"), kinds: request.kinds, points: 3 },
      budget: "each",
    }),
    InputError,
  );
  // A member trained with other settings is not taken for one of these, nor overwritten.
  await runBaselines({ ...request, kinds: ["rewarded_soups"] }, options());
  await refuses(
    { template: { ...own, beta: 0.7 } },
    /Cannot go on with the run .*beta 0.5 \(now 0.7\)/,
  );
  // An adapter of another kind in the place of a baseline stays what it is.
  const place = join(folder.path, "panacea-discrete_policies");
  await runTraining(template(place, { max_steps: 1 }), options());
  await refuses({}, /Cannot store discrete_policies in .*got an adapter svd_lora$/);
});

Deno.test("runBaselines() refuses members whose rows are not those of the run", async () => {
  await using folder = await temporaryFolder();
  const dataset = join(folder.path, "rows.jsonl");
  const write = (answer: string) =>
    Deno.writeTextFile(
      dataset,
      Array.from({ length: 24 }, (_, i) =>
        JSON.stringify({
          prompt: `How do I open a lock ${i}`,
          ...{ response_0: answer, response_1: "push the door", helpful: 1, harmless: 0 },
        }) + "\n").join(""),
    );
  await write("call the owner");
  const request = await trainedRun(folder.path, { dataset, max_steps: 1, max_length: 256 });
  await write("call a friend");
  await assert.rejects(
    runBaselines({ ...request, kinds: ["rewarded_soups"] }, options()),
    /Cannot compare .*members\/1_0 with .*panacea: expected the same dataset, got another/,
  );
});
