// `deno task export` as the user has it: a run of the built-in world trained and exported from the
// command line, opened by the other tools; and what is refused, one sentence each.
import assert from "node:assert/strict";
import { join } from "node:path";
import { openModel } from "../../data/models.ts";
import { readFolderVerified } from "../../data/store/manifest.ts";
import { openRun } from "../../data/store/run_folder.ts";
import { RunConfig } from "../../core/config.ts";
import { whyMissing } from "../engines.ts";
import { largestDifference } from "../near.ts";
import { runPython, whyNoModules } from "../python.ts";
import { ownLogits, storeRandomAdapter } from "../workers/export_fixture.ts";
import { storeBuiltinAdapter } from "../workers/builtin_adapter.ts";
import { type Finished, runMain } from "./process.ts";

const noPeft = await whyNoModules("torch", "transformers", "peft");
const noEngine = whyMissing("tensorflow");

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs `export` with arguments that must succeed. */
async function exported(...args: string[]): Promise<Finished> {
  const finished = await runMain(["export", ...args]);
  assert.equal(finished.code, 0, finished.stderr);
  return finished;
}

Deno.test({
  name: "a trained run is exported in every format, and transformers and PEFT open it" +
    (noEngine ?? noPeft ? `: skipped, ${noEngine ?? noPeft}` : ""),
  ignore: (noEngine ?? noPeft) !== null,
  fn: () =>
    inFolder(async (folder) => {
      const run = join(folder, "runs", "first");
      const training = ["--max_steps", "30", "--threads", "1", "--grid", "3", "--bootstrap", "20"];
      const trained = await runMain(["train", ...training, "--output_dir", run]);
      assert.equal(trained.code, 0, trained.stderr);
      const place = (format: string) => join(folder, format);
      const preference = ["--preference", "harmless=0.7,helpful=0.3"];
      for (const format of ["peft", "merged", "gguf-lora"]) {
        const flags = ["--adapter", run, "--format", format, "--output", place(format)];
        const { stdout } = await exported(...flags, ...preference, "--license", "cc0-1.0");
        assert.match(stdout, new RegExp(`File     ${place(format)}/README\\.md\n`));
      }
      const flags = ["--adapter", run, "--format", "split", "--output", place("split"), "--json"];
      const report = JSON.parse((await exported(...flags)).stdout);
      assert.deepEqual([report.format, report.preference, report.ranks], ["split", null, [
        8,
        1,
        1,
      ]]);

      for (const format of ["peft", "merged", "gguf-lora", "split"]) {
        const files = await readFolderVerified(place(format)); // all of it is in the manifest
        const text = (name: string) => new TextDecoder().decode(files[name]);
        const card = text("README.md");
        assert.match(card, /\| λ helpful \| λ harmless \| helpful \| harmless \|/);
        assert.match(card, /!\[front\]\(front\.svg\)/);
        assert.match(text("front.svg"), /^<svg/);
        for (const file of ["README.md", "panacea_export.json", "front.svg"]) {
          assert(!text(file).includes(folder), `${file} of ${format} names a path of this machine`);
        }
        assert.equal(/^license: "cc0-1\.0"$/m.test(card), format !== "split");
        const record = JSON.parse(text("panacea_export.json"));
        assert.deepEqual(record.preference, format === "split" ? null : [0.3, 0.7]);
      }

      // Both ways lead to the same model, which is not the base.
      const script = new URL("../workers/export_logits.py", import.meta.url);
      const ids = [9, 23, 41, 17, 30, 12];
      const base = await openModel(new URL("../../data/builtin/model", import.meta.url).pathname);
      base.close();
      const [found] = await runPython<[{ peft: number[][][]; merged: number[][][] }]>(script, {
        input: [{ base: base.name, ids, peft: [place("peft")], merged: [place("merged")] }],
      });
      const [own = []] = await ownLogits(place("merged"), null, { ids, preferences: [[]] });
      const [plain = []] = await ownLogits("builtin", null, { ids, preferences: [[]] });
      const flat = own.flatMap((row) => [...row]);
      assert(largestDifference(found.merged.flat(2), flat) <= 1e-4);
      assert(largestDifference(found.peft.flat(2), flat) <= 1e-4);
      assert(largestDifference(plain.flatMap((row) => [...row]), flat) > 1e-2);
    }),
});

Deno.test("export refuses what it cannot write, in one sentence, and writes nothing", () =>
  inFolder(async (folder) => {
    const adapter = join(folder, "first");
    await storeBuiltinAdapter(adapter, { seed: 1 });
    const discrete = join(folder, "discrete");
    const members = [[0, 1], [1, 0]];
    await storeRandomAdapter(discrete, { model: "builtin", kind: "discrete_policies", members });
    const reward = join(folder, "reward");
    await storeBuiltinAdapter(reward, { seed: 2, changes: { format: "panacea-reward-model" } });
    const another = join(folder, "another");
    await storeBuiltinAdapter(another, { seed: 3, changes: { base_fingerprint: "0".repeat(64) } });
    const full = join(folder, "full");
    {
      await using run = await openRun(full, { create: true });
      await run.saveConfig(RunConfig.parse({ objective: "sft", tuning: "full" }));
    }
    const taken = join(folder, "taken");
    await Deno.mkdir(taken);
    await Deno.writeTextFile(join(taken, "letter.txt"), "mine");
    const output = join(folder, "out");
    const all = ["--adapter", adapter, "--format", "peft", "--output", output];
    const one = [...all, "--preference", "0.3,0.7"];
    const cases: [string[], string][] = [
      [
        [...one, "--format", "onyx"],
        'Cannot use --format: expected one of peft, merged, gguf-lora, split, onnx, got "onyx"',
      ],
      [
        all,
        "Cannot export peft: expected a preference with a weight for each of helpful, harmless, got none",
      ],
      [
        [...all, "--preference", "0.3,0.3,0.4"],
        "Cannot use preference: expected 2 weights (helpful, harmless), got 3 (0.3, 0.3, 0.4)",
      ],
      [
        [...all, "--preference", "0.3,0.3"],
        "Cannot use preference: expected 2 weights (helpful, harmless) summing to 1, got [0.3, 0.3] (sum 0.6)",
      ],
      [
        [...one, "--format", "split"],
        "Cannot export split: expected no preference, because its files serve every λ, got 0.3,0.7",
      ],
      [
        [...one, "--dtype", "float16"],
        "Cannot export peft: expected no dtype, because a LoRA is stored in float32, got float16",
      ],
      [
        [...one, "--dtype", "int8", "--format", "merged"],
        "Cannot export merged: expected dtype to be one of float32, bfloat16, float16, got int8",
      ],
      [
        [...one, "--adapter", join(folder, "none")],
        `Cannot open adapter ${
          join(folder, "none")
        }: expected the folder of a run or checkpoint, got nothing there`,
      ],
      [
        [...one, "--checkpoint", "60"],
        `Cannot open adapter ${
          join(adapter, "checkpoint-60")
        }: expected the folder of a run or checkpoint, got nothing there`,
      ],
      [
        [...one, "--adapter", reward],
        `Cannot open adapter ${reward}: expected a policy's adapter, got a reward model`,
      ],
      [
        [...one, "--adapter", full],
        `Cannot export ${full}: expected a run with an adapter, got one that trained all weights, whose folder model transformers opens as it is`,
      ],
      [
        ["--adapter", discrete, "--format", "split", "--output", output],
        "Cannot export the adapter for every λ: expected one that is affine in λ, got policies of which the nearest to λ answers",
      ],
      [
        [...one, "--output", taken],
        `Cannot write the export to ${taken}: expected nothing there, an empty folder or an earlier export, got a folder with letter.txt`,
      ],
      [
        all.slice(0, 4),
        "Cannot run export: expected --output (new folder, or an earlier export, which is replaced), got none",
      ],
    ];
    for (const [args, sentence] of cases) {
      const { code, stdout, stderr } = await runMain(["export", ...args]);
      assert.deepEqual([code, stdout, stderr], [2, "", `${sentence}\n`]);
    }
    const { code, stderr } = await runMain(["export", ...one, "--adapter", another]);
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^Cannot use adapter another: expected the base model it was trained on \(/,
    );
    const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
    assert.deepEqual(names, ["another", "discrete", "first", "full", "reward", "taken"]);
    assert.equal(await Deno.readTextFile(join(taken, "letter.txt")), "mine");
  }));

Deno.test("export replaces an earlier one whole, and leaves it where the disk is full", () =>
  inFolder(async (folder) => {
    const adapter = join(folder, "first");
    await storeBuiltinAdapter(adapter, { seed: 1 });
    const output = join(folder, "out");
    const flags = ["--adapter", adapter, "--output", output, "--preference", "0.3,0.7"];
    await exported(...flags, "--format", "gguf-lora");
    await exported(...flags, "--format", "peft");
    const before = await readFolderVerified(output);
    assert(!("adapter.gguf" in before) && "adapter_config.json" in before);
    // Files of at most 1 MiB stand in for a full disk; merged weights take 4.
    const script = `trap '' XFSZ; ulimit -f 1024; exec "$0" "$@"`;
    const main = new URL("../../main.ts", import.meta.url).pathname;
    const { code, stderr } = await new Deno.Command("bash", {
      args: [
        ...["-c", script, Deno.execPath(), "run", "--no-check", "--quiet", "-A", main],
        ...["export", ...flags, "--format", "merged"],
      ],
      env: { NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    }).output();
    const text = new TextDecoder().decode(stderr);
    assert.equal(code, 6, text);
    assert.match(
      text,
      /Cannot write .*out: expected a writable place with \d+ bytes free, got EFBIG/,
    );
    assert.deepEqual(await readFolderVerified(output), before);
    const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
    assert.deepEqual(names, ["first", "out"]);
  }));
