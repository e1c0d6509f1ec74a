// Fronts by rewards of generated responses, alone, side by side and over the steps of a training: on
// the built-in model with random adapters, judged by the world's program.
import assert from "node:assert/strict";
import { join } from "node:path";
import { presets, RunConfig } from "../../core/config.ts";
import { DivergedError, InputError } from "../../core/errors.ts";
import type { RewardSource } from "../../core/rewards/reward_source.ts";
import type { Message } from "../../core/text/example.ts";
import { createJudge } from "../../data/builtin/judge.ts";
import { builtinWorld } from "../../data/builtin/mod.ts";
import { findFront } from "../../data/store/front_lookup.ts";
import { frontName } from "../../data/store/front_settings.ts";
import { openAdapter } from "../../data/store/run_folder.ts";
import { createChat } from "../../workers/chat.ts";
import { createFolderStore } from "../../workers/chat_adapters.ts";
import { openDecoder } from "../../workers/decoders.ts";
import { runComparison, runEvolution } from "../../workers/front_comparison.ts";
import { frontSettings } from "../../workers/front_settings.ts";
import { runFront } from "../../workers/fronts.ts";
import type { FrontRequest, SessionEvent, SessionOptions } from "../../workers/protocol.ts";
import { rewardEvaluation } from "../../workers/reward_evaluation.ts";
import { fromTensors, restoreAdapter } from "../../workers/stored_adapter.ts";
import { runTraining } from "../../workers/training.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { whyMissing } from "../engines.ts";
import { storeBuiltinAdapter } from "./builtin_adapter.ts";

const engine = whyMissing("tensorflow") === null ? "tensorflow" : "wasm";
const graphs = await Deno.makeTempDir({ prefix: "panacea-graphs-" });
addEventListener("unload", () => Deno.removeSync(graphs, { recursive: true }));

function session(events: SessionEvent[] = []): SessionOptions {
  return {
    onEvent: (event) => events.push(event),
    signal: new AbortController().signal,
    env: (name) => Deno.env.get(name),
    graphs,
  };
}

function request(adapter: string, changes: Partial<FrontRequest> = {}): FrontRequest {
  return {
    ...{ adapter, dataset: "builtin", metric: "reward" as const, limit: 6, max_new_tokens: 24 },
    ...{ grid: 3, bootstrap: 20, seed: 42, engine, threads: 0, device: "auto" },
    ...{ maxTokensPerPass: 4096, ...changes },
  };
}

/** A decoder on the built-in model with an adapter of random parameters. */
async function openRandom(folder: string) {
  await storeBuiltinAdapter(folder, { seed: 3 });
  const { config, tensors, parametersHash } = await openAdapter(folder);
  const { decoder, tokenizer } = await openDecoder({
    ...{ model: "builtin", format: "float32", threads: 1, cacheFolder: graphs },
    env: Deno.env.get,
  });
  const adapter = decoder.loadAdapter({
    id: parametersHash,
    adapter: restoreAdapter(config),
    objectives: 2,
    parameters: fromTensors(tensors),
  });
  return { decoder, tokenizer, adapter };
}

/** A source that calls `reward` for one dimension. */
function source(reward: (text: string) => number): RewardSource {
  return {
    dimensions: ["helpful"],
    score: (responses) => Promise.resolve(responses.map(({ response }) => [reward(response)])),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

const world = builtinWorld(undefined);
const asked = (count: number): Message[][] =>
  world.test.slice(0, count).map(({ text }) => [{ role: "user", content: text }]);

Deno.test("a front by rewards is the judge's opinion of what the chat answers without chance", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "a");
  await storeBuiltinAdapter(path, { seed: 5 });
  const { report, samples, files } = await runFront(request(path, { name: "rewards" }), session());
  assert.equal(report.metric, "reward");
  assert.equal(report.points.length, 3);
  assert.deepEqual(
    files.map((file) => file.slice(path.length + 1)),
    ["svg", "csv", "json", "rewards.svg", "rewards.csv"].map((end) => `fronts/rewards.${end}`),
  );
  const found = await findFront(path, await frontSettings(request(path)));
  assert.deepEqual(found?.report.points, report.points);
  assert.match(found?.rewards?.svg ?? "", /no adapter/);

  const chat = createChat({
    ...{ store: createFolderStore(), format: "float32", threads: 0, spin: false, maxRows: 8 },
    ...{ maxWaiting: 64, maxCacheBytes: 2 ** 28, prefixCacheBytes: 0, maxModelBytes: 2 ** 30 },
    ...{ cacheFolder: graphs, env: Deno.env.get },
  });
  const judge = createJudge(["helpful", "harmless"]);
  const prompts = samples.map(({ prompt }) => prompt);
  assert.equal(prompts.length, 2);
  for (const { prompt, answers } of samples) {
    assert.equal(answers.length, 3);
    for (const { preference, answer } of answers) {
      let text = "";
      const messages = [{ role: "user" as const, content: prompt }];
      const events = chat.chat({
        ...{ adapter: path, preference, messages, max_tokens: 24, temperature: 0, top_p: 1 },
        stop: [],
      }, new AbortController().signal);
      for await (const event of events) if (event.type === "text") text += event.text;
      assert.equal(answer, text);
      assert.ok(judge(prompt, text).every(Number.isFinite));
    }
  }
  await chat.close();
  await chat.dispose();
});

Deno.test("means, distributions and reference point are those of the judge's rewards", async () => {
  await using folder = await temporaryFolder();
  const { decoder, tokenizer, adapter } = await openRandom(join(folder.path, "a"));
  const judged: string[] = [];
  const length = source((text) => {
    judged.push(text);
    return text.length;
  });
  const evaluation = rewardEvaluation({
    ...{ decoder, tokenizer, rewards: length, prompts: asked(3), options: session() },
    ...{ maxLength: 64, maxNewTokens: 12, overlong: "drop" },
  });
  const grid = [[0, 1], [0, 1], [1, 0]];
  const { measured, samples } = await evaluation.measure(adapter, grid);
  const [outcomes] = measured.outcomes;
  assert.deepEqual(
    outcomes?.values[0],
    outcomes?.values[1],
    "greedy: the same λ, the same answers",
  );
  assert.deepEqual(
    samples[1]?.answers.map(({ answer }) => answer.length),
    outcomes?.values.map((row) => row[1]),
  );
  const [initial = []] = measured.initial ?? [];
  const values = Array.from(initial);
  const mean = values.reduce((sum, value) => sum + value, 0) / 3;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 3);
  assert.ok(Math.abs((measured.referencePoint[0] ?? NaN) - (mean - 2 * deviation)) < 1e-9);
  // Three prompts without adapter and at two different λ, equal answers judged once.
  assert.ok(judged.length <= 9, `${judged.length} texts were judged`);
  const before = judged.length;
  assert.deepEqual((await evaluation.measure(adapter, grid)).measured, measured);
  assert.ok(judged.length - before <= 6, "the model without adapter is asked once");
  assert.equal(decoder.live.sequences, 0);
  await decoder.dispose();
});

Deno.test("prompts that leave no room are left out with a notice, cut, or refused", async () => {
  await using folder = await temporaryFolder();
  const { decoder, tokenizer, adapter } = await openRandom(join(folder.path, "a"));
  const long: Message[] = [{ role: "user", content: "How do I open a lock? ".repeat(8).trim() }];
  const events: SessionEvent[] = [];
  const parts = {
    ...{ decoder, tokenizer, rewards: source((text) => text.length), maxLength: 32 },
    ...{ maxNewTokens: 12, options: session(events) },
  };
  const measure = async (prompts: Message[][], overlong: "drop" | "truncate") =>
    (await rewardEvaluation({ ...parts, prompts, overlong }).measure(adapter, [[0.5, 0.5]]))
      .measured.outcomes[0]?.values[0]?.length;
  assert.equal(await measure([...asked(1), long], "drop"), 1);
  const notices = events.flatMap((event) => event.type === "notice" ? [event.message] : []);
  assert.match(notices[0] ?? "", /^Left out 1 of 2 test prompts: 32 tokens or more$/);
  assert.equal(await measure([...asked(1), long], "truncate"), 2);
  await assert.rejects(measure([long], "drop"), (error) => {
    assert.ok(error instanceof InputError);
    assert.match(error.message, /expected test prompts shorter than 32 tokens .* got 1 that/);
    return true;
  });
  await decoder.dispose();
});

Deno.test("rewards that are not finite stop the measurement, equal ones are told of", async () => {
  await using folder = await temporaryFolder();
  const { decoder, tokenizer, adapter } = await openRandom(join(folder.path, "a"));
  const events: SessionEvent[] = [];
  const measure = (reward: () => number) =>
    rewardEvaluation({
      ...{ decoder, tokenizer, rewards: source(reward), prompts: asked(2), maxLength: 64 },
      ...{ maxNewTokens: 4, overlong: "drop", options: session(events) },
    }).measure(adapter, [[0, 1], [1, 0]]);
  await assert.rejects(measure(() => NaN), DivergedError);
  const { measured } = await measure(() => 0.25);
  assert.deepEqual(measured.referencePoint, [0.25]);
  assert.ok(
    events.some((event) =>
      event.type === "notice" &&
      /^Every answer has the same reward of helpful, 0.25/.test(event.message)
    ),
  );
  assert.equal(decoder.live.sequences, 0);
  await decoder.dispose();
});

Deno.test("a front by rewards is one of its judge, its limits and its format", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "a");
  await storeBuiltinAdapter(path, { seed: 5 });
  const names = new Set<string>();
  for (
    const changes of [
      {},
      { max_new_tokens: 25 },
      { rollout_format: "int8" as const },
      { limit: 7 },
      { metric: "expected_reward" as const },
    ]
  ) {
    names.add(frontName(await frontSettings(request(path, changes))));
  }
  assert.equal(names.size, 5);
  const same = await frontSettings(
    request(path, { reward_model: "helpful=builtin,harmless=builtin" }),
  );
  assert.deepEqual(same, await frontSettings(request(path)));
  for (
    const [changes, words] of [
      [{ reward_model: "no/such/folder" }, /Cannot use reward model no\/such\/folder: expected/],
      [{ reward_model: "helpful=builtin" }, /expected a source for the dimension harmless/],
      [{ checkpoint: 3 }, /checkpoint-3: expected the folder of a run or checkpoint, got nothing/],
    ] satisfies [Partial<FrontRequest>, RegExp][]
  ) {
    await assert.rejects(runFront(request(path, changes), session()), (error) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, words);
      return true;
    });
  }
});

Deno.test("adapters are compared on the same axes, measured only where they are not stored", async () => {
  await using folder = await temporaryFolder();
  const [a, b] = [join(folder.path, "a"), join(folder.path, "b")];
  await storeBuiltinAdapter(a, { seed: 5 });
  await storeBuiltinAdapter(b, { seed: 6 });
  const events: SessionEvent[] = [];
  const compare = () => runComparison({ ...request(a), others: [b] }, session(events));
  const { comparison, files } = await compare();
  assert.deepEqual(comparison.fronts.map(({ name }) => name), ["a", "b"]);
  assert.deepEqual(
    files,
    ["svg", "csv", "json"].map((end) => join(a, "figures", `comparison.${end}`)),
  );
  const measurements = () => events.filter(({ type }) => type === "front").length;
  assert.equal(measurements(), 2);
  assert.deepEqual((await compare()).comparison, comparison);
  assert.equal(measurements(), 2, "both are stored by now");
  await assert.rejects(
    runComparison({ ...request(a), others: [a] }, session()),
    /expected .*a once, got it twice/,
  );
  await storeBuiltinAdapter(join(folder.path, "c"), {
    seed: 7,
    changes: { dimensions: ["helpful", "concise"] },
  });
  await assert.rejects(
    runComparison({ ...request(a), others: [join(folder.path, "c")] }, session()),
    /Cannot compare .*c with .*a: expected fronts measured alike, got another dimensions/,
  );
});

Deno.test("the front of a run over its steps takes stored fronts and measures checkpoints", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "a");
  await runTraining(
    RunConfig.parse({
      ...presets.builtin?.values,
      ...{ engine, output_dir: path, max_steps: 3, save_steps: 1, save_total_limit: 2, grid: 3 },
      ...{ bootstrap: 20, eval_steps: 1, per_device_train_batch_size: 2 },
    }),
    session(),
  );
  // The fronts of training lie there for steps 1 and 2, although checkpoint 1 is gone.
  const own = { metric: "expected_reward", limit: undefined, dataset: undefined } as const;
  const grown = await runEvolution(request(path, own), session());
  assert.deepEqual(grown.comparison.fronts.map(({ name }) => name), ["step 3", "step 2", "step 1"]);
  const events: SessionEvent[] = [];
  const rewards = await runEvolution(request(path), session(events));
  assert.deepEqual(rewards.comparison.fronts.map(({ name }) => name), ["step 3", "step 2"]);
  assert.equal(rewards.comparison.metric, "reward");
  assert.equal(events.filter(({ type }) => type === "front").length, 2);
  await storeBuiltinAdapter(join(folder.path, "b"), { seed: 1 });
  await assert.rejects(
    runEvolution(request(join(folder.path, "b")), session()),
    /Cannot show how the front .* grew: expected checkpoints or fronts of two steps/,
  );
});
