// RLHF from settings to a stored adapter, in the built-in world: what comes out, what is refused, and
// what becomes of a run that goes astray.
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { presets, RunConfig } from "../../../core/config.ts";
import { DivergedError, InputError } from "../../../core/errors.ts";
import { float32Tensor } from "../../../core/models/safetensors.ts";
import { openAdapter, writeAdapter } from "../../../data/store/adapter_files.ts";
import { latestCheckpoint } from "../../../data/store/checkpoints.ts";
import { loadConfig, loadMetrics, openRun } from "../../../data/store/run_folder.ts";
import { createChat } from "../../../workers/chat.ts";
import { createFolderStore } from "../../../workers/chat_adapters.ts";
import { runFront } from "../../../workers/fronts.ts";
import type { SessionEvent, TrainReport } from "../../../workers/protocol.ts";
import { runTraining } from "../../../workers/training.ts";
import { eachEngineInFolder, type EngineName, whyMissing } from "../../engines.ts";
import { writeClassifier } from "../rewards/tiny_classifier.ts";

/** The engine that most tests here are content with. */
const one: EngineName[] = [whyMissing("tensorflow") === null ? "tensorflow" : "wasm"];

/** A run of seconds in the built-in world; every test says what it changes. */
function configOf(output_dir: string, changes: Partial<RunConfig>): RunConfig {
  return RunConfig.parse({
    ...presets.builtin_rlhf?.values,
    threads: 1,
    device: "cpu",
    max_steps: 2,
    rollout_batch_size: 8,
    max_new_tokens: 12,
    grid: 3,
    bootstrap: 10,
    eval_limit: 6,
    output_dir,
    ...changes,
  });
}

async function train(
  output_dir: string,
  changes: Partial<RunConfig>,
): Promise<{ report: TrainReport; events: SessionEvent[] }> {
  const events: SessionEvent[] = [];
  const report = await runTraining(configOf(output_dir, changes), {
    env: Deno.env.get,
    signal: new AbortController().signal,
    onEvent: (event) => events.push(event),
  });
  return { report, events };
}

/** All files under `folder`, from there, in order. */
async function filesIn(folder: string, inner = ""): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(folder, inner))) {
    const path = join(inner, name);
    files.push(...isDirectory ? await filesIn(folder, path) : [path]);
  }
  return files.sort();
}

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

eachEngineInFolder(
  "ppo: what comes out is a stored adapter with its fronts, which opens, chats and is measured again",
  async (folder, engine) => {
    const run = join(folder, "rlhf");
    const ptx = { ptx_coef: 0.5, ptx_dataset: "builtin" };
    const changes = { engine, max_steps: 4, eval_steps: 2, aggregation: "tche" as const, ...ptx };
    const { report, events } = await train(run, changes);
    assert.deepEqual([report.stopped, report.steps], [false, 4]);
    const adapter = ["README.md", "adapter_config.json", "adapter_model.safetensors"];
    const fronts = ["final", "step-2"].flatMap((name) =>
      ["csv", "json", "svg"].map((end) => `fronts/${name}.${end}`)
    );
    const checkpoint = [
      ...["adapter_config.json", "adapter_model.safetensors", "critic.safetensors"],
      ...["manifest.json", "optimizer.safetensors", "trainer_state.json"],
    ].map((name) => `checkpoint-4/${name}`);
    const others = ["manifest.json", "metrics.jsonl", "run_config.json", "trainer_state.json"];
    const files = (await filesIn(run)).filter((name) => !name.startsWith("tensorboard/"));
    assert.deepEqual(files, [...adapter, ...checkpoint, ...fronts, ...others].sort());

    // The fronts are by the reward that is expected over the world's answers.
    const shown = events.flatMap((event) => event.type === "front" ? [event.report] : []);
    assert.deepEqual(shown.map(({ metric, settings }) => [metric, settings.step]), [
      ["expected_reward", 2],
      ["expected_reward", 4],
    ]);
    assert.deepEqual(report.front, shown[1]);
    assert.equal(report.front?.points.length, 3);

    // z is tracked: never below a reward seen, and never sinking.
    const rows = await loadMetrics(run);
    assert.deepEqual(rows.map(({ step }) => step), [1, 2, 3, 4]);
    for (const name of ["helpful", "harmless"]) {
      const bounds = rows.map((row) => Number(row[`ideal_point/${name}`]));
      bounds.forEach((bound, i) => {
        assert(bound >= Number(rows[i]?.[`reward/${name}`]), `${bound} of ${name}`);
        assert(bound >= (bounds[i - 1] ?? -Infinity), `${bounds} of ${name}`);
      });
    }
    for (const row of rows) {
      for (const name of ["ptx_loss", "value_loss", "kl", "entropy"]) {
        assert(Number.isFinite(row[name]), `${name} is ${row[name]}`);
      }
      assert(!("loss/helpful" in row), "PPO has one loss for all dimensions");
    }

    // The stored adapter is the policy that was measured last.
    const stored = await openAdapter(run);
    const { objective, aggregation, steps, beta } = stored.config;
    assert.deepEqual([objective, aggregation, steps, beta], ["ppo", "tche", 4, 0.05]);
    const { report: again } = await runFront({
      ...{ adapter: run, grid: 3, bootstrap: 10, seed: 42, limit: 6, engine, threads: 1 },
      ...{ device: "cpu", dtype: "float32", maxTokensPerPass: 4096 },
    }, { env: Deno.env.get, signal: new AbortController().signal, onEvent: () => {} });
    assert.deepEqual(
      again.points.map(({ values }) => values),
      report.front?.points.map(({ values }) => values),
    );
    assert.notEqual(await chatOnce(run, [1, 0]), "");
  },
  one,
);

/** What the adapter in `run` answers under `preference`. */
async function chatOnce(run: string, preference: number[]): Promise<string> {
  const chat = createChat({
    ...{ store: createFolderStore(), format: "float32", threads: 1, spin: false, maxRows: 8 },
    ...{ maxWaiting: 64, maxCacheBytes: 2 ** 28, prefixCacheBytes: 0, maxModelBytes: 2 ** 30 },
    ...{ cacheFolder: join(dirname(run), "graphs"), env: Deno.env.get },
  });
  try {
    let text = "";
    const messages = [{ role: "user" as const, content: "How do I bake bread?" }];
    const events = chat.chat({
      ...{ adapter: run, preference, messages, max_tokens: 24, temperature: 0, top_p: 1 },
      stop: [],
    }, new AbortController().signal);
    for await (const event of events) if (event.type === "text") text += event.text;
    return text;
  } finally {
    await chat.close();
    await chat.dispose();
  }
}

eachEngineInFolder(
  "ppo: a given ideal point stays, and one below a reward is refused",
  async (folder, engine) => {
    const tche = { engine, aggregation: "tche" as const };
    await train(join(folder, "given"), { ...tche, ideal_point: "harmless=2,helpful=3" });
    for (const row of await loadMetrics(join(folder, "given"))) {
      assert.deepEqual([row["ideal_point/helpful"], row["ideal_point/harmless"]], [3, 2]);
    }
    await assert.rejects(
      train(join(folder, "below"), { ...tche, ideal_point: "helpful=9,harmless=-9" }),
      {
        name: "InputError",
        message: /^Cannot use the ideal point: .* of harmless, got -9 below a reward of -?[\d.]+$/,
      },
    );
  },
  one,
);

eachEngineInFolder(
  "ppo: a run that goes astray keeps its last healthy step, and goes on from there with other settings",
  async (folder, engine) => {
    const run = join(folder, "rlhf");
    // Steps that grow to twenty times what is good.
    const absurd = { engine, learning_rate: 0.1, warmup_ratio: 1, max_steps: 30, save_steps: 1 };
    const astray = await failure(run, absurd);
    const { step = NaN } = astray;
    assert(step > 0 && step < 29, `went back to ${step}`);
    const path = join(run, `checkpoint-${step}`);
    assert.match(
      astray.message,
      /^Cannot go on training after step \d+: expected [^;]* got [^;]*, for 3 iterations in a row; /,
    );
    const flags = Object.entries(astray.remedy).map(([name, value]) => `--${name} ${value}`);
    assert(
      astray.message.endsWith(
        `; ${path} holds the last step before that: the same command with ${flags.join(" ")} ` +
          "goes on from there",
      ),
      astray.message,
    );
    assert.doesNotMatch(astray.message, /\n/);
    // That checkpoint is the newest, and whole; what was told of the steps after it is kept too.
    const kept = await latestCheckpoint(run);
    assert.deepEqual([kept?.step, kept?.adapterConfig.steps], [step, step]);
    assert.equal((await loadMetrics(run)).length, step + 3);

    // The same settings end there again, others than those of the updates are refused.
    assert.equal((await failure(run, absurd)).message, astray.message);
    await assert.rejects(train(run, { ...absurd, seed: 43, ...astray.remedy }), {
      name: "InputError",
      message: /^Cannot go on with the run in .*: expected its settings seed 42 \(now 43\); /,
    });

    // What it names is a first help; with such steps it takes more.
    const remedy = { ...astray.remedy, learning_rate: 1e-3 };
    const { report, events } = await train(run, { ...absurd, ...remedy });
    assert.deepEqual([report.stopped, report.steps], [false, 30]);
    const notices = events.flatMap((event) => event.type === "notice" ? [event.message] : []);
    assert.deepEqual(notices, [
      `Going on from step ${step} with ` +
      Object.entries(remedy).map(([name, value]) =>
        `${name} ${value} (before: ${configOf(run, absurd)[name as keyof RunConfig]})`
      ).join(", "),
    ]);
    assert.deepEqual(
      (await loadMetrics(run)).map((row) => row.step),
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
    assert.equal((await loadConfig(run))?.learning_rate, 1e-3);
    // What became of it stays known; and its settings are fixed again.
    const stops = (await latestCheckpoint(run))?.state.stops;
    assert(Array.isArray(stops) && stops.length === 2, JSON.stringify(stops));
    assert.deepEqual([stops[0].step, stops[0].settings.learning_rate], [step, 0.1]);
    await assert.rejects(train(run, absurd), /expected its settings/);
  },
  one,
);

/** What a run that must go astray ends with. */
async function failure(run: string, changes: Partial<RunConfig>): Promise<DivergedError> {
  try {
    await train(run, changes);
  } catch (error) {
    if (error instanceof DivergedError) return error;
    throw error;
  }
  throw new Error("Cannot test: the run did not go astray");
}

eachEngineInFolder(
  "ppo: without a pull towards the reference (kl_coef 0) the run is stored as any other",
  async (folder, engine) => {
    const run = join(folder, "rlhf");
    await train(run, { engine, kl_coef: 0, ptx_coef: 0 });
    assert.equal((await openAdapter(run)).config.beta, 0);
  },
  one,
);

eachEngineInFolder(
  "ppo: rewards that nothing can be learnt from end the run in one sentence",
  async (folder, engine) => {
    const classifier = async (name: string, words: Record<string, number>) => {
      const path = join(folder, name);
      await writeClassifier(path, { labels: { score: words } });
      return path;
    };
    const constant = await classifier("constant", {});
    await assert.rejects(
      train(join(folder, "a"), { engine, reward_model: `helpful=${constant},harmless=builtin` }),
      (error) => {
        assert(error instanceof InputError);
        assert.match(
          error.message,
          /^Cannot learn from the rewards of .*: expected rewards that differ between responses, got 0 for all 8 in the dimension helpful$/,
        );
        return true;
      },
    );
    const infinite = await classifier("infinite", { the: -Infinity, a: -Infinity });
    const run = join(folder, "b");
    const { message } = await failure(run, {
      engine,
      reward_model: `helpful=builtin,harmless=${infinite}`,
    });
    assert.match(
      message,
      /^Cannot use the rewards of .*infinite: expected finite numbers, got -Infinity for response \d in the dimension harmless; it was so from the start: the same command starts anew$/,
    );
    assert.equal(await latestCheckpoint(run), null);
  },
  one,
);

eachEngineInFolder(
  "ppo: a critic of another shape is refused with the parameter that does not fit",
  async (folder, engine) => {
    const run = join(folder, "rlhf");
    await train(run, { engine, max_steps: 2, save_steps: 1 });
    const checkpoint = await latestCheckpoint(run);
    assert(checkpoint !== null);
    const { step, companions: { critic = {} } } = checkpoint;
    const [rows, width] = critic["value_head.weight"]?.shape ?? [];
    assert(rows === 3 && width !== undefined, "one number for each dimension, and one more");
    const other = float32Tensor([4, width], new Float32Array(4 * width));
    {
      await using stored = await openRun(run);
      const companions = { critic: { ...critic, "value_head.weight": other } };
      await stored.saveCheckpoint(step, { ...checkpoint, companions }, { limit: 2 });
    }
    await assert.rejects(train(run, { engine, max_steps: 2, save_steps: 1 }), {
      name: "InputError",
      message: "Cannot use the stored critic: expected value_head.weight of shape " +
        `[3, ${width}], got [4, ${width}]`,
    });
  },
  one,
);

eachEngineInFolder(
  "ppo: what cannot be trained is refused in one sentence, and nothing is written",
  async (folder, engine) => {
    const rewards = join(folder, "rewards");
    await runTraining(
      RunConfig.parse({
        ...presets.builtin_reward_head?.values,
        ...{ engine, threads: 1, device: "cpu", max_steps: 2, eval_limit: 6, bootstrap: 0 },
        output_dir: rewards,
      }),
      { env: Deno.env.get, signal: new AbortController().signal, onEvent: () => {} },
    );
    const stored = await openAdapter(rewards, { format: "panacea-reward-model" });
    const foreign = join(folder, "foreign");
    await Deno.mkdir(foreign);
    const config = { ...stored.config, template_fingerprint: "0".repeat(64) };
    await writeAdapter(foreign, { ...stored, config });

    const run = join(folder, "rlhf");
    const refuse = (changes: Partial<RunConfig>, message: RegExp) =>
      assert.rejects(train(run, { engine, ...changes }), (error) => {
        assert(error instanceof InputError, String(error));
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    await refuse(
      { reward_model: foreign },
      /expected one trained with the policy's tokenizer and chat template .*, got another \(0000/,
    );
    await refuse({ reward_model: `helpful=${rewards}` }, /a source for the dimension harmless/);
    await refuse({ reward_model: undefined }, /expected reward_model, .* got none/);
    await refuse(
      { max_length: 13 },
      /^Cannot tokenize the prompts: expected some of at most 1 tok/,
    );
    await refuse({ reward_scale: "polite=5" }, /a name among helpful, harmless .*, got "polite=5"/);
    const tche = { aggregation: "tche" as const };
    await refuse(
      { ...tche, ideal_point: "polite=1" },
      /once for each of helpful, harmless, got "p/,
    );
    await refuse({ ...tche, ideal_point: "helpful=1" }, /expected a bound for harmless/);
    await refuse({ ptx_coef: 1 }, /expected ptx_dataset for the SFT loss of ptx_coef 1, got none/);
    await refuse({ tuning: "full" }, /Cannot train ppo: expected tuning adapter, got full/);
    await refuse({ shards: 2 }, /Cannot train ppo on shards: expected shards 1, got 2/);
    assert.equal(await exists(run), false);
  },
  one,
);
