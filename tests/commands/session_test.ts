// The whole way from the terminal, on the built-in world: train, stop, resume, front, wrong input.
// Each test is a process of its own, as users run it; short runs on the fastest engine at hand.
import assert from "node:assert/strict";
import { join } from "node:path";
import { FrontReport } from "../../core/front/report.ts";
import { openRun } from "../../data/store/run_folder.ts";
import { runMain } from "./process.ts";

const short = ["--max_steps", "6", "--grid", "3", "--bootstrap", "20", "--save_steps", "2"];

Deno.test("train --json ends with one document, an adapter and a front that front repeats", async () => {
  await inFolder(async (folder) => {
    const trained = await runMain(["train", "--output_dir", folder, "--json", ...short]);
    assert.equal(trained.code, 0, trained.stderr);
    const report = JSON.parse(trained.stdout);
    assert.deepEqual(
      Object.keys(report).sort(),
      ["adapter", "losses", "seconds", "steps", "tokensPerSecond"],
    );
    assert.equal(report.steps, 6);
    assert.deepEqual(Object.keys(report.losses), ["helpful", "harmless"]);
    const stored = FrontReport.parse(JSON.parse(await read(folder, "fronts/final.json")));
    assert.match(await read(folder, "fronts/final.svg"), /^<svg[^>]* xmlns=/);
    assert.match(await read(folder, "README.md"), /base_model: "builtin"/);

    const front = await runMain([
      "front",
      "--adapter",
      folder,
      "--grid",
      "3",
      "--bootstrap",
      "20",
      "--json",
    ]);
    assert.equal(front.code, 0, front.stderr);
    const again = FrontReport.parse(JSON.parse(front.stdout));
    assert.deepEqual(again.points, stored.points);
    assert.equal(again.exact?.hypervolumeRatio, stored.exact?.hypervolumeRatio);

    const repeated = await runMain(["train", "--output_dir", folder, ...short]);
    assert.equal(repeated.code, 0, repeated.stderr);
    assert.match(repeated.stdout, /was already trained \(6 steps\)/);
  });
});

Deno.test("a run stopped by SIGTERM goes on with the same command to the same bits", async () => {
  await inFolder(async (whole) => {
    await inFolder(async (parts) => {
      const once = await runMain(["train", "--output_dir", whole, "--json", ...short]);
      assert.equal(once.code, 0, once.stderr);
      const stopped = await runMain(["train", "--output_dir", parts, "--json", ...short], {
        onError: (text) => text.includes('{"step":3,') ? "SIGTERM" : undefined,
      });
      assert.equal(stopped.code, 143, stopped.stderr);
      const at = JSON.parse(stopped.stdout);
      assert.equal(at.stopped, true);
      assert.ok(at.steps >= 3 && at.steps < 6, `stopped at step ${at.steps}`);
      const resumed = await runMain(["train", "--output_dir", parts, "--json", ...short]);
      assert.equal(resumed.code, 0, resumed.stderr);
      for (const file of ["adapter_model.safetensors", "checkpoint-6/optimizer.safetensors"]) {
        assert.deepEqual(
          await Deno.readFile(join(parts, file)),
          await Deno.readFile(join(whole, file)),
          `${file} differs`,
        );
      }
      assert.deepEqual(await metricRows(parts), await metricRows(whole));
    });
  });
});

Deno.test("a run on two shards tells what it does, stops at SIGTERM and goes on with three", async () => {
  await inFolder(async (folder) => {
    const args = ["train", "--output_dir", folder, "--json", ...short, "--threads", "1"];
    const stopped = await runMain([...args, "--shards", "2"], {
      onError: (text) => text.includes('{"step":3,') ? "SIGTERM" : undefined,
    });
    assert.equal(stopped.code, 143, stopped.stderr);
    assert.match(stopped.stderr, /Loading weights on 2 shards/);
    const resumed = await runMain([...args, "--shards", "3"]);
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.equal(JSON.parse(resumed.stdout).steps, 6);
    assert.deepEqual((await metricRows(folder)).map(({ step }) => step), [1, 2, 3, 4, 5, 6]);
    const report = FrontReport.parse(JSON.parse(await read(folder, "fronts/final.json")));
    assert.equal(report.points.length, 3);
  });
});

Deno.test("SIGTERM while a front is measured saves the steps done so far", async () => {
  await inFolder(async (folder) => {
    const args = ["train", "--output_dir", folder, ...short, "--eval_steps", "3", "--json"];
    const stopped = await runMain([...args, "--save_steps", "100"], {
      onError: (text) => text.includes("Measuring the front") ? "SIGTERM" : undefined,
    });
    assert.equal(stopped.code, 143, stopped.stderr);
    assert.equal(JSON.parse(stopped.stdout).steps, 3);
    assert.ok((await Deno.stat(join(folder, "checkpoint-3"))).isDirectory);
  });
});

Deno.test("a run with other settings, a foreign folder and a held run are refused", async (t) => {
  await inFolder(async (folder) => {
    const first = await runMain(["train", "--output_dir", folder, "--json", ...short]);
    assert.equal(first.code, 0, first.stderr);

    await t.step("other settings", async () => {
      const other = await runMain(["train", "--output_dir", folder, ...short, "--beta", "0.2"]);
      assert.equal(other.code, 2);
      assert.match(other.stderr, /beta 0\.5 \(now 0\.2\)/);
    });

    await t.step("a run that another process holds", async () => {
      await using _held = await openRun(folder);
      const second = await runMain(["train", "--output_dir", folder, ...short]);
      assert.equal(second.code, 3);
      assert.match(second.stderr, new RegExp(`${Deno.pid}`));
      assert.match(second.stderr, new RegExp(Deno.hostname()));
    });

    await t.step("an altered adapter", async () => {
      const path = join(folder, "adapter_model.safetensors");
      const bytes = await Deno.readFile(path);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      await Deno.writeFile(path, bytes);
      const front = await runMain(["front", "--adapter", folder]);
      assert.equal(front.code, 4);
      assert.match(front.stderr, /adapter_model\.safetensors/);
      assert.doesNotMatch(front.stderr, /\n {4}at /);
    });
  });
  await inFolder(async (folder) => {
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(join(folder, "notes.txt"), "mine");
    const foreign = await runMain(["train", "--output_dir", folder, ...short]);
    assert.equal(foreign.code, 2);
    assert.match(foreign.stderr, /notes\.txt/);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["notes.txt"]);
  });
});

const wrong: { name: string; args: string[]; code: number; message: RegExp }[] = [
  {
    name: "a missing data file",
    args: ["train", "--dataset", "no/such.jsonl", "--model_name_or_path", "builtin"],
    code: 2,
    message: /no\/such\.jsonl/,
  },
  {
    name: "a missing model",
    args: ["train", "--model_name_or_path", "no/such/model", "--dataset", "builtin"],
    code: 2,
    message: /no\/such\/model/,
  },
  {
    name: "an unknown dimension",
    args: ["train", "--dimensions", "helpful,funny"],
    code: 2,
    message: /funny/,
  },
  {
    name: "a pattern that adapts nothing",
    args: ["train", "--lora_target_modules", "nowhere"],
    code: 2,
    message: /nowhere/,
  },
  {
    name: "an adapter that is not there",
    args: ["front", "--adapter", "no/such/run"],
    code: 2,
    message: /no\/such\/run/,
  },
  {
    name: "an engine device that is not there",
    args: ["train", "--engine", "tensorflow", "--device", "gpu:7"],
    code: 2,
    message: /gpu:7|tensorflow engine/,
  },
];

for (const { name, args, code, message } of wrong) {
  Deno.test(`${name} ends in one sentence and leaves nothing behind`, async () => {
    await inFolder(async (folder) => {
      const place = args[0] === "train" ? ["--output_dir", folder] : [];
      const finished = await runMain([...args, ...place]);
      assert.equal(finished.code, code, finished.stderr);
      assert.match(finished.stderr, message);
      assert.doesNotMatch(finished.stderr, /\n {4}at /);
      assert.equal(finished.stdout, "");
      await assert.rejects(Deno.stat(folder), Deno.errors.NotFound);
    });
  });
}

async function inFolder(fn: (folder: string) => Promise<void>): Promise<void> {
  const parent = await Deno.makeTempDir();
  try {
    await fn(join(parent, "run"));
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

function read(folder: string, name: string): Promise<string> {
  return Deno.readTextFile(join(folder, name));
}

/** Metric rows without the time they took. */
async function metricRows(folder: string): Promise<Record<string, unknown>[]> {
  const lines = (await read(folder, "metrics.jsonl")).trim().split("\n");
  return lines.map((line) => {
    const { seconds: _seconds, ...row } = JSON.parse(line);
    return row;
  });
}
