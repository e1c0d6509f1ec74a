// Reward models from pairs to rewards: trained, measured, stored, opened again as a source of rewards.
import assert from "node:assert/strict";
import { basename, dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { presets, RunConfig } from "../../../core/config.ts";
import { InputError, NotFoundError } from "../../../core/errors.ts";
import { RewardReport } from "../../../core/rewards/report.ts";
import type { ScoredResponse } from "../../../core/rewards/reward_source.ts";
import { BuiltinModel } from "../../../data/builtin/mod.ts";
import { createWorld, promptMessages } from "../../../data/builtin/world.ts";
import { describeAdapter, openAdapter, writeAdapter } from "../../../data/store/adapter_files.ts";
import { listAdapters, readAdapter } from "../../../data/store/adapters.ts";
import { readReport } from "../../../data/store/fronts.ts";
import { createChatStore } from "../../../workers/chat_adapters.ts";
import { loadBase, startEngine } from "../../../workers/machine.ts";
import type { SessionOptions, TrainReport } from "../../../workers/protocol.ts";
import { rewardFingerprint } from "../../../workers/rewards/fingerprint.ts";
import { openRewards, type SharedBase } from "../../../workers/rewards/mod.ts";
import { runTraining } from "../../../workers/training.ts";
import { eachEngineInFolder, type EngineName, whyMissing } from "../../engines.ts";
import { assertNear } from "../../near.ts";

const dimensions = ["helpful", "harmless"];
const quiet: SessionOptions = {
  env: Deno.env.get,
  signal: new AbortController().signal,
  onEvent: () => {},
};

/** A run of the head alone in the built-in world. */
function configOf(output_dir: string, changes: Partial<RunConfig> = {}): RunConfig {
  return RunConfig.parse({
    ...presets.builtin_reward_head?.values,
    threads: 1,
    device: "cpu",
    max_steps: 30,
    save_steps: 20,
    eval_limit: 60,
    bootstrap: 20,
    output_dir,
    ...changes,
  });
}

function train(output_dir: string, changes: Partial<RunConfig>): Promise<TrainReport> {
  return runTraining(configOf(output_dir, changes), quiet);
}

/** A test on engines, given where its run may lie, that leaves no tensor behind. */
function onEngines(
  name: string,
  fn: (folder: string, engine: EngineName) => Promise<void>,
  engines?: EngineName[],
): void {
  eachEngineInFolder(name, (folder, engine) => fn(join(folder, "rewards"), engine), engines);
}

/** The engine that most tests here are content with. */
const one: EngineName[] = [whyMissing("tensorflow") === null ? "tensorflow" : "wasm"];

/** Hands `fn` what a policy on `model` would share. */
async function withBase(
  engineName: EngineName,
  model: string,
  fn: (base: SharedBase) => Promise<void>,
): Promise<void> {
  const engine = await startEngine({ ...configOf(""), engine: engineName }, quiet);
  const base = await loadBase(engine, { model, revision: "main" }, quiet);
  try {
    await fn({ engine, ...base });
  } finally {
    base.decoder.dispose();
    engine.dispose();
  }
}

/** Every answer to a few unseen questions, as the policy on `base` would hand it over. */
function answers({ tokenizer }: SharedBase, count = 6): (ScoredResponse & { kind: string })[] {
  return createWorld().test.slice(0, count).flatMap((prompt) =>
    prompt.answers.map(({ text, kind }) => {
      const messages = promptMessages(prompt);
      const ids = tokenizer.encodeExchange(messages, text);
      const sequence = {
        prompt: Int32Array.from(ids.prompt),
        response: Int32Array.from(ids.response),
      };
      return { prompt: messages, response: text, sequence, kind };
    })
  );
}

/** The same model with one weight another. */
async function copyModel(to: string): Promise<string> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(BuiltinModel.folder)) {
    const bytes = await Deno.readFile(join(BuiltinModel.folder, name));
    if (name === "model.safetensors") bytes[bytes.length - 2] = (bytes.at(-2) ?? 0) ^ 1;
    await Deno.writeFile(join(to, name), bytes);
  }
  return to;
}

onEngines(
  "a reward model is trained, measured, stored, and rewards what it learned to",
  async (folder, engine) => {
    const size = { max_steps: 20, per_device_train_batch_size: 6, eval_limit: 40 };
    const result = await train(folder, { engine, ...size });
    assert.deepEqual([result.stopped, result.steps], [false, 20]);
    const report = await readReport(folder, "rewards", RewardReport);
    assert.deepEqual(report, result.rewards);
    assert.deepEqual([report?.model, report?.step], [basename(folder), 20]);
    for (const { accuracy, pairs } of report?.dimensions ?? []) {
      assert.ok(accuracy > 0.7, `${accuracy} of ${pairs}`);
    }
    const stored = await openAdapter(folder, { format: "panacea-reward-model" });
    assert.deepEqual(Object.keys(stored.tensors).sort(), ["score.bias", "score.weight"]);
    assert.match(stored.card, /# Reward model: helpful, harmless[^]*% of 40 test pairs right/);
    await withBase(engine, "builtin", async (base) => {
      const held = tf.memory().numTensors;
      let opened = 0;
      const shared = () => Promise.resolve((opened++, base));
      {
        await using source = await openRewards(folder, {
          dimensions: ["harmless", "helpful"],
          scale: "harmless=5",
          shared,
          options: quiet,
        });
        // The frozen weights are those of the policy: only the head came.
        assert.deepEqual([opened, tf.memory().numTensors - held], [1, 1]);
        const responses = answers(base);
        const rewards = await source.score(responses);
        const mean = (kind: string, i: number) => {
          const own = rewards.filter((_, n) => responses[n]?.kind === kind);
          return own.reduce((sum, row) => sum + (row[i] ?? NaN), 0) / own.length;
        };
        assert.ok(mean("full", 1) > mean("refusal", 1) + 0.5);
        assert.ok(mean("refusal", 0) > mean("careless", 0) + 0.5);
        // The order and number of responses make no difference, nor does a missing end token.
        const turned = await source.score(responses.toReversed());
        assertNear(turned.reverse().flat(), rewards.flat(), { tolerance: 1e-4 });
        const [first] = responses;
        assert.ok(first);
        const { prompt, response } = first.sequence;
        const cut = { ...first, sequence: { prompt, response: response.slice(0, -1) } };
        assertNear((await source.score([cut])).flat(), rewards[0] ?? [], { tolerance: 1e-4 });
        assert.deepEqual(await source.score([]), []);
      }
      assert.equal(tf.memory().numTensors, held, "the source leaves tensors");
    });
  },
);

onEngines(
  "a trunk with an adapter is restored to the same rewards; two dimensions share one pass",
  async (folder, engine) => {
    const changes = { ...presets.builtin_reward?.values, max_steps: 12, engine, save_steps: 12 };
    await train(folder, { ...changes, tuning: "adapter", output_dir: folder });
    const { config } = await describeAdapter(folder, { format: "panacea-reward-model" });
    assert.deepEqual([config.adapter, config.modules.length > 0], ["lora", true]);
    await withBase(engine, "builtin", async (base) => {
      const open = (names: string[]) =>
        openRewards(folder, {
          dimensions: names,
          shared: () => Promise.resolve(base),
          options: quiet,
        });
      await using both = await open(dimensions);
      await using second = await open(["harmless"]);
      const responses = answers(base, 2);
      const rewards = await both.score(responses);
      assertNear(
        (await second.score(responses)).flat(),
        rewards.map(([, harmless]) => harmless ?? 0),
        {
          tolerance: 1e-5,
        },
      );
      assert.ok(new Set(rewards.map(([helpful]) => helpful)).size > 5, "the adapter tells apart");
    });
  },
  one,
);

onEngines(
  "one dimension alone, with labels that belong to one dimension each",
  async (folder, engine) => {
    const rows = (label: number) =>
      Array.from({ length: 12 }, (_, n) => ({
        prompt: `How do I bake bread number ${n}?`,
        response_0: "mix flour and water",
        response_1: "I cannot help with that",
        ...label === 0 ? { helpful: 0 } : { harmless: 1 },
      })).map((row) => JSON.stringify(row) + "\n").join("");
    const files = ["a.jsonl", "b.jsonl"].map((name) => join(dirname(folder), name));
    await Promise.all(files.map((file, i) => Deno.writeTextFile(file, rows(i))));
    const dataset = `helpful=${files[0]},harmless=${files[1]}`;
    const whole = await train(folder, { engine, dataset, eval_limit: undefined });
    assert.deepEqual(whole.rewards?.dimensions.map(({ name }) => name), dimensions);
    const alone = await train(`${folder}-one`, { engine, dataset, dimensions: "harmless" });
    assert.deepEqual(alone.rewards?.dimensions.map(({ name, accuracy }) => [name, accuracy]), [
      ["harmless", 1],
    ]);
  },
  one,
);

onEngines(
  "evaluations on the way have reports of their own; a stopped run goes on and ends the same",
  async (folder, engine) => {
    await train(folder, { engine, max_steps: 20, eval_steps: 10 });
    const early = await readReport(folder, "rewards-step-10", RewardReport);
    assert.equal(early?.step, 10);
    const stop = new AbortController();
    const split = `${folder}-split`;
    const stopped = await runTraining(configOf(split, { engine, max_steps: 20, eval_steps: 10 }), {
      ...quiet,
      signal: stop.signal,
      onEvent: (event) => event.type === "step" && event.step === 7 && stop.abort(),
    });
    assert.deepEqual([stopped.stopped, stopped.steps], [true, 7]);
    await train(split, { engine, max_steps: 20, eval_steps: 10 });
    const hash = async (path: string) =>
      (await describeAdapter(path, { format: "panacea-reward-model" })).parametersHash;
    assert.equal(await hash(split), await hash(folder));
    assert.equal(
      await rewardFingerprint(split, dimensions),
      await rewardFingerprint(folder, dimensions),
    );
  },
  one,
);

onEngines(
  "what is no policy is not taken for one, and the other way round",
  async (folder, engine) => {
    await train(folder, { engine, max_steps: 2 });
    const [root, id] = [dirname(folder), basename(folder)];
    const damaged: string[] = [];
    assert.deepEqual(await listAdapters(root, { onDamaged: (id) => damaged.push(id) }), []);
    assert.deepEqual(damaged, []);
    const refused = {
      name: "NotFoundError",
      message: /expected a policy's adapter, got a reward model/,
    };
    await assert.rejects(readAdapter(root, id), refused);
    await assert.rejects(createChatStore(root).findAdapter(id), refused);
    await assert.rejects(openAdapter(join(folder, "checkpoint-2")), NotFoundError);
    const { tensors, config, card } = await openAdapter(folder, { format: "panacea-reward-model" });
    const policy = join(root, "policy");
    await Deno.mkdir(policy);
    await writeAdapter(policy, {
      tensors,
      card,
      config: { ...config, format: "panacea-svd-lora" },
    });
    await withBase(engine, "builtin", async (base) => {
      const shared = () => Promise.resolve(base);
      await assert.rejects(
        openRewards(policy, { dimensions, shared, options: quiet }),
        /expected a reward model, got a policy's adapter/,
      );
    });
  },
  one,
);

onEngines(
  "reward models that do not fit are refused in one sentence; another base is loaded beside",
  async (folder, engine) => {
    const model = await copyModel(join(dirname(folder), "model"));
    await train(folder, { engine, max_steps: 4, model_name_or_path: model });
    const stored = await openAdapter(folder, { format: "panacea-reward-model" });
    const variant = async (name: string, changes: Partial<typeof stored.config>) => {
      const path = join(dirname(folder), name);
      await Deno.mkdir(path);
      await writeAdapter(path, { ...stored, config: { ...stored.config, ...changes } });
      return path;
    };
    await withBase(engine, "builtin", async (base) => {
      const held = tf.memory().numTensors;
      const open = (path: string, names = dimensions) =>
        openRewards(path, {
          dimensions: names,
          shared: () => Promise.resolve(base),
          options: quiet,
        });
      const refuse = async (path: string, message: RegExp, names = dimensions) => {
        await assert.rejects(open(path, names), (error) => {
          assert.ok(error instanceof InputError, String(error));
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /\n/);
          return true;
        });
        assert.equal(tf.memory().numTensors, held, "tensors are left");
      };
      await refuse(
        await variant("template", { template_fingerprint: "0".repeat(64) }),
        /expected one trained with the policy's tokenizer and chat template .*, got another \(0000/,
      );
      await refuse(folder, /expected one that rewards concise, got one for helpful, harmless/, [
        "concise",
      ]);
      await refuse(
        await variant("three", { dimensions: ["helpful", "harmless", "concise"] }),
        /expected a head of shape \[3, \d+\], got \[2,/,
      );
      await refuse(
        await variant("changed", { base_fingerprint: "1".repeat(64) }),
        /expected the base model it was trained on/,
      );
      {
        await using source = await open(folder);
        const added = tf.memory().numTensors - held;
        assert.ok(added > 10, "the other base is held");
        // A second reward model on it brings its head alone.
        const two = await open(`helpful=${folder},harmless=${await variant("twin", {})}`);
        assert.equal(tf.memory().numTensors, held + 2 * added + 1);
        await two[Symbol.asyncDispose]();
        assert.equal((await source.score(answers(base, 1))).length, 6);
      }
      assert.equal(tf.memory().numTensors, held, "the other base is freed");
    });
  },
  one,
);

Deno.test("a reward run refuses settings that are none of it", async () => {
  const refuse = (changes: Partial<RunConfig>, message: RegExp) =>
    assert.rejects(train("/nonexistent/rewards", changes), message);
  await refuse(
    { tuning: "full" },
    /Cannot train reward: expected tuning adapter or head, got full/,
  );
  await refuse({ shards: 2 }, /Cannot train reward on shards: expected shards 1, got 2/);
  await refuse({ fixed_preference: "0.5,0.5" }, /expected no fixed_preference/);
  await refuse({ dimensions: "kind" }, /expected dimensions among helpful, harmless, concise/);
});
