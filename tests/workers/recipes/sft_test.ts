import assert from "node:assert/strict";
import { join } from "node:path";
import { presets, RunConfig } from "../../../core/config.ts";
import { HeldOutReport } from "../../../core/held_out.ts";
import { BuiltinModel } from "../../../data/builtin/mod.ts";
import { openModel } from "../../../data/models.ts";
import { openAdapter } from "../../../data/store/adapter_files.ts";
import { readReport } from "../../../data/store/fronts.ts";
import { readFolderVerified } from "../../../data/store/manifest.ts";
import type { SessionEvent, TrainReport } from "../../../workers/protocol.ts";
import { runTraining } from "../../../workers/training.ts";
import { eachEngineInFolder } from "../../engines.ts";

const small: Partial<RunConfig> = {
  ...presets.builtin_sft?.values,
  threads: 1,
  device: "cpu",
  max_steps: 4,
  save_steps: 10,
  per_device_train_batch_size: 4,
  eval_limit: 12,
  bootstrap: 20,
};

interface Session {
  report: TrainReport;
  notices: string[];
}

/** One session of a run in `folder`. */
async function train(
  folder: string,
  changes: Partial<RunConfig>,
  signal = new AbortController().signal,
): Promise<Session> {
  const notices: string[] = [];
  const report = await runTraining(RunConfig.parse({ ...small, output_dir: folder, ...changes }), {
    env: Deno.env.get,
    signal,
    onEvent: (event: SessionEvent) => event.type === "notice" && notices.push(event.message),
  });
  return { report, notices };
}

/** Rows of a data file in `folder`; its path. */
async function writeRows(folder: string, rows: unknown[]): Promise<string> {
  const path = join(folder, "rows.jsonl");
  await Deno.writeTextFile(path, rows.map((row) => JSON.stringify(row) + "\n").join(""));
  return path;
}

const heldOutOf = (run: string) => readReport(run, "held_out", HeldOutReport);

for (const tuning of ["full", "adapter"] as const) {
  eachEngineInFolder(
    `sft (${tuning}) lowers the held-out loss; its model folder has that loss`,
    async (folder, engine) => {
      // Answers of one kind alone: the base gives each of its answers a twelfth.
      const rows = Array.from({ length: 30 }, (_, i) => ({
        instruction: "How do I bake bread?",
        input: i % 2 === 0 ? "" : `again ${i}`,
        output: "Please ask a baker.",
      }));
      const dataset = await writeRows(folder, rows);
      const run = join(folder, "run");
      const settings = { engine, tuning, dataset, dtype: "float32" as const, eval_steps: 5 };
      const { report } = await train(run, { ...settings, max_steps: 10, learning_rate: 2e-3 });
      assert.equal(report.model, join(run, "model"));
      const { points, change } = report.heldOut ?? { points: [], change: undefined };
      assert.deepEqual(points.map(({ step }) => step), [0, 5, 10]);
      assert.ok((change?.high ?? NaN) < -0.5, `changed by ${JSON.stringify(change)}`);
      assert.deepEqual(await heldOutOf(run), report.heldOut);

      // What was measured is what is stored: the folder as a base has the loss that the run ended with.
      assert.ok((await readFolderVerified(join(run, "model")))["README.md"]);
      const again = await train(join(folder, "again"), {
        ...settings,
        model_name_or_path: join(run, "model"),
        max_steps: 1,
      });
      const [stored] = again.report.heldOut?.points ?? [];
      const gap = Math.abs((stored?.loss ?? NaN) - (points.at(-1)?.loss ?? NaN));
      assert.ok(gap < 1e-4, `differs by ${gap}`);
    },
  );
}

eachEngineInFolder(
  "sft (full) ends without an adapter, sft (adapter) with one that chat can use",
  async (folder, engine) => {
    const [full, adapter] = ["full", "adapter"].map((name) => join(folder, name)) as [
      string,
      string,
    ];
    await train(full, { engine });
    await assert.rejects(openAdapter(full), { name: "InputError", message: /without a finished/ });
    await assert.rejects(openAdapter(join(full, "checkpoint-4")), {
      message: /expected a policy's adapter, got all weights of a model/,
    });
    await train(adapter, { engine, tuning: "adapter" });
    const { config } = await openAdapter(adapter);
    assert.deepEqual([config.adapter, config.dimensions], ["lora", ["imitation"]]);
  },
  ["tensorflow"],
);

eachEngineInFolder("a bfloat16 run stores its merged model in bfloat16", async (folder, engine) => {
  await train(folder, { engine, tuning: "adapter", dtype: "bfloat16" });
  const json = JSON.parse(await Deno.readTextFile(join(folder, "model", "config.json")));
  assert.equal(json.torch_dtype, "bfloat16");
  const base = await openModel(BuiltinModel.folder);
  const made = await openModel(join(folder, "model"));
  assert.deepEqual(made.config, base.config);
  assert.deepEqual(made.text, base.text);
  assert.deepEqual(
    await made.weights.read("model.norm.weight"), // not adapted
    await base.weights.read("model.norm.weight"),
  );
  base.close();
  made.close();
}, ["tensorflow"]);

eachEngineInFolder(
  "several answers of a dialogue are learned, and only they",
  async (folder, engine) => {
    const user = (content: string) => ({ role: "user", content });
    const assistant = (content: string) => ({ role: "assistant", content });
    const answers = ["Please ask a baker.", "Heat the oven."];
    const rows = Array.from({ length: 20 }, (_, i) => ({
      messages: [
        user(`How do I bake bread? ${i}`),
        assistant(answers[0] ?? ""),
        user("And then?"),
        assistant(answers[1] ?? ""),
      ],
    }));
    const dataset = await writeRows(folder, rows);
    const run = join(folder, "run");
    const { report } = await train(run, { engine, dataset, max_steps: 1 });
    const { data } = report.heldOut ?? { data: undefined };
    assert.equal(data?.tokens.length, 2); // a tenth of 20 dialogues, each one sequence
    const opened = await openModel(BuiltinModel.folder);
    opened.close();
    const { createTokenizer } = await import("../../../core/text/tokenizer.ts");
    const { encode } = createTokenizer(opened.text, opened.config);
    const learned = answers.reduce((sum, answer) => sum + encode(answer).length + 1, 0);
    assert.deepEqual(data?.tokens, [learned, learned]);
  },
  ["tensorflow"],
);

eachEngineInFolder(
  "a base without a chat template learns Alpaca's, and its model folder has it",
  async (folder, engine) => {
    const base = join(folder, "base");
    await Deno.mkdir(base);
    for await (const { name } of Deno.readDir(BuiltinModel.folder)) {
      await Deno.copyFile(join(BuiltinModel.folder, name), join(base, name));
    }
    const path = join(base, "tokenizer_config.json");
    const { chat_template: _, ...config } = JSON.parse(await Deno.readTextFile(path));
    await Deno.writeTextFile(path, JSON.stringify(config));
    const rows = Array.from({ length: 20 }, (_, i) => ({ prompt: `Say ${i}`, completion: "Yes" }));
    const settings = {
      engine,
      dataset: await writeRows(folder, rows),
      max_length: 128,
      max_steps: 1,
    };
    const first = await train(join(folder, "run"), { ...settings, model_name_or_path: base });
    assert.ok(
      first.notices.some((line) => line.includes("has no chat template: it learns Alpaca's")),
    );
    const model = join(folder, "run", "model");
    assert.match(await Deno.readTextFile(join(model, "chat_template.jinja")), /### Instruction:/);
    const second = await train(join(folder, "next"), { ...settings, model_name_or_path: model });
    assert.ok(!second.notices.some((line) => line.includes("template")));
  },
  ["tensorflow"],
);

eachEngineInFolder(
  "a stopped run keeps its step and goes on; the report has each step once",
  async (folder, engine) => {
    const settings = { engine, max_steps: 6, eval_steps: 2 };
    const whole = join(folder, "whole");
    const parts = join(folder, "parts");
    const { report } = await train(whole, settings);
    const controller = new AbortController();
    const stopped = await runTraining(
      RunConfig.parse({ ...small, output_dir: parts, ...settings }),
      {
        env: Deno.env.get,
        signal: controller.signal,
        onEvent: (event) => event.type === "step" && event.step === 3 && controller.abort(),
      },
    );
    assert.deepEqual([stopped.stopped, stopped.steps], [true, 3]);
    await assert.rejects(Deno.stat(join(parts, "model")), Deno.errors.NotFound);
    await train(parts, settings);
    assert.deepEqual((await heldOutOf(parts))?.points, report.heldOut?.points);
    assert.deepEqual(
      await Deno.readFile(join(parts, "model", "model.safetensors")),
      await Deno.readFile(join(whole, "model", "model.safetensors")),
    );
  },
  ["tensorflow"],
);

eachEngineInFolder(
  "an adapter on two shards learns what it learns on one",
  async (folder, engine) => {
    const settings = { engine, tuning: "adapter" as const, per_device_train_batch_size: 8 };
    const one = await train(join(folder, "one"), settings);
    const two = await train(join(folder, "two"), { ...settings, shards: 2 });
    const [a, b] = [one, two].map(({ report }) => report.heldOut?.points.at(-1)?.loss ?? NaN);
    assert.ok(Math.abs((a ?? NaN) - (b ?? NaN)) < 1e-5, `${a} ≠ ${b}`);
  },
  ["tensorflow"],
);

Deno.test("sft refuses what it has not, before anything is written", async () => {
  const folder = await Deno.makeTempDir();
  const run = join(folder, "run");
  const file = await writeRows(folder, [{ chosen: "a", rejected: "b" }]);
  const cases: [Partial<RunConfig>, RegExp][] = [
    [{ tuning: "head" }, /^Cannot train sft: expected tuning adapter or full, got head$/],
    [
      { tuning: "full", shards: 4 },
      /^Cannot train all weights on shards: expected shards 1 with tuning full, got 4$/,
    ],
    [{ dimensions: "helpful" }, /^Cannot train sft: expected no dimensions, .* got helpful$/],
    [{ fixed_preference: "0.3,0.7" }, /expected 1 weight/],
    [{ dataset: file }, /expected rows with messages; or prompt, completion; or instruction/],
    [{ eval_dataset: "helpful=a.jsonl" }, /files joined by \+, which belong to no dimension/],
  ];
  for (const [changes, message] of cases) {
    await assert.rejects(train(run, changes), { name: "InputError", message });
  }
  await assert.rejects(Deno.stat(run), Deno.errors.NotFound);
  await Deno.remove(folder, { recursive: true });
});

eachEngineInFolder(
  "sft refuses dialogues that are all too long, and rows that changed since",
  async (folder, engine) => {
    const run = join(folder, "run");
    await assert.rejects(train(run, { engine, max_length: 5 }), {
      name: "InputError",
      message: "Cannot tokenize the data set: expected dialogues of at most 5 tokens, got none",
    });
    const rows = Array.from({ length: 20 }, (_, i) => ({ prompt: `Say ${i}`, completion: "Yes" }));
    const settings = { engine, dataset: await writeRows(folder, rows) };
    const { notices } = await train(run, { ...settings, max_steps: 2 });
    assert.ok(notices.some((line) => /^Held-out loss \d+\.\d{4} a token, perplexity/.test(line)));
    await writeRows(folder, [...rows, ...rows]);
    await assert.rejects(train(run, { ...settings, max_steps: 2 }), {
      name: "InputError",
      message: /expected the rows it was started with, got rows that changed since/,
    });
  },
  ["tensorflow"],
);
