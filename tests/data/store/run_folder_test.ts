import assert from "node:assert/strict";
import { join } from "node:path";
import { RunConfig } from "../../../core/config.ts";
import { BusyError, CorruptFileError, DivergedError, InputError } from "../../../core/errors.ts";
import { float32Tensor, toFloat32 } from "../../../core/models/safetensors.ts";
import { frontNames } from "../../../data/store/fronts.ts";
import { openAdapter, openRun, type Run, saveFigure } from "../../../data/store/run_folder.ts";
import { adapterConfig, checkpointOf, temporaryFolder, tensorsOf, valueOf } from "./fixtures.ts";

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}

async function temporaryRun() {
  const folder = await temporaryFolder();
  const run = await openRun(join(folder.path, "runs", "first"), { create: true });
  await run.saveConfig(RunConfig.parse({ seed: 7 }));
  return {
    run,
    path: run.path,
    async [Symbol.asyncDispose]() {
      await run.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function saveAdapter(run: Run, value: number) {
  return run.saveAdapter({
    tensors: tensorsOf(value),
    config: adapterConfig(value),
    card: `# step ${value}\n`,
  });
}

Deno.test("openRun() makes a folder, keeps its configuration and gives it back", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "runs", "first");
  const config = RunConfig.parse({ seed: 7, learning_rate: 1 / 3 });
  {
    await using run = await openRun(path, { create: true });
    assert.equal(await run.loadConfig(), null);
    await run.saveConfig(config);
  }
  await using run = await openRun(path);
  assert.deepEqual(await run.loadConfig(), config);
  await assert.rejects(openRun(path), BusyError);
});

Deno.test("openRun() refuses a missing folder, a file and a folder of something else", async () => {
  await using folder = await temporaryFolder();
  await assert.rejects(openRun(join(folder.path, "none")), InputError);
  await Deno.writeTextFile(join(folder.path, "photo.jpg"), "");
  await assert.rejects(openRun(join(folder.path, "photo.jpg"), { create: true }), InputError);
  await assert.rejects(openRun(folder.path), InputError);
  await assert.rejects(openRun(folder.path, { create: true }), /photo\.jpg/);
  assert.deepEqual(await namesIn(folder.path), ["photo.jpg"]);
});

Deno.test("a checkpoint comes back bit for bit, with the sign of zero", async () => {
  await using temporary = await temporaryRun();
  const { run } = temporary;
  assert.equal(await run.latestCheckpoint(), null);
  const odd = float32Tensor([5], new Float32Array([0.1, -0, 1e-45, 3.4028234e38, -1 / 3]));
  const saved = {
    ...checkpointOf(20),
    optimizer: { "a.m": odd, "a.v": float32Tensor([0], new Float32Array()) },
    companions: { critic: { "score.weight": odd } },
  };
  await run.saveCheckpoint(20, saved, { limit: 2 });
  const loaded = await run.latestCheckpoint();
  assert.deepEqual(loaded, { step: 20, ...saved });
  assert(Object.is(loaded?.state.cursor, -0));
  for (const name of ["optimizer", "adapter_model", "../up", "A"]) {
    const companions = { [name]: { x: odd } };
    await assert.rejects(
      run.saveCheckpoint(21, { ...saved, companions }, { limit: 2 }),
      RangeError,
    );
  }
  await run.saveCheckpoint(30, checkpointOf(30), { limit: 2 });
  assert.deepEqual((await run.latestCheckpoint())?.companions, {});
});

Deno.test("saveCheckpoint() keeps the newest `limit` checkpoints", async () => {
  await using temporary = await temporaryRun();
  const { run, path } = temporary;
  const kept = async () => (await namesIn(path)).filter((name) => name.startsWith("checkpoint"));
  for (const step of [5, 10, 15]) await run.saveCheckpoint(step, checkpointOf(step), { limit: 2 });
  assert.deepEqual(await kept(), ["checkpoint-10", "checkpoint-15"]);
  await run.saveCheckpoint(100, checkpointOf(100), { limit: 3 });
  assert.deepEqual(await kept(), ["checkpoint-10", "checkpoint-100", "checkpoint-15"]);
  await run.saveCheckpoint(100, checkpointOf(101), { limit: 1 });
  assert.deepEqual(await kept(), ["checkpoint-100"]);
  assert.equal((await run.latestCheckpoint())?.state.value, 101);
  await assert.rejects(run.saveCheckpoint(1, checkpointOf(1), { limit: 0 }), RangeError);
  await assert.rejects(run.saveCheckpoint(1.5, checkpointOf(1), { limit: 1 }), RangeError);
});

Deno.test("latestCheckpoint() refuses a damaged newest one unless told to fall back", async () => {
  await using temporary = await temporaryRun();
  const { run, path } = temporary;
  for (const step of [10, 20]) await run.saveCheckpoint(step, checkpointOf(step), { limit: 2 });
  const damaged = join(path, "checkpoint-20", "optimizer.safetensors");
  await Deno.truncate(damaged, 100);
  await assert.rejects(run.latestCheckpoint(), (error) => {
    assert(error instanceof CorruptFileError && error.message.includes(damaged));
    return true;
  });
  assert.equal((await run.latestCheckpoint({ fallback: true }))?.step, 10);
  // Going on from step 10 makes step 20 another step 20: the damaged one must not come back.
  await run.saveCheckpoint(15, checkpointOf(15), { limit: 2 });
  assert.equal((await run.latestCheckpoint())?.step, 15);
  for (const step of [10, 15]) await Deno.remove(join(path, `checkpoint-${step}`, "manifest.json"));
  await assert.rejects(run.latestCheckpoint({ fallback: true }), /checkpoint-15/);
});

Deno.test("latestCheckpoint() refuses a checkpoint under the name of another step", async () => {
  await using temporary = await temporaryRun();
  const { run, path } = temporary;
  await run.saveCheckpoint(10, checkpointOf(10), { limit: 2 });
  await Deno.rename(join(path, "checkpoint-10"), join(path, "checkpoint-30"));
  await assert.rejects(run.latestCheckpoint(), /expected step 30 .* got 10/);
});

Deno.test("nothing that is not finite is saved, and the tensor is named", async () => {
  await using temporary = await temporaryRun();
  const { run, path } = temporary;
  await run.saveCheckpoint(1, checkpointOf(1), { limit: 2 });
  const good = checkpointOf(2);
  for (const bad of [NaN, Infinity, -Infinity]) {
    const tensor = float32Tensor([2, 2], new Float32Array([1, 2, bad, 4]));
    const attempts: Record<string, () => Promise<unknown>> = {
      "q.U": () => run.saveCheckpoint(2, { ...good, adapter: { "q.U": tensor } }, { limit: 2 }),
      "q.m": () => run.saveCheckpoint(2, { ...good, optimizer: { "q.m": tensor } }, { limit: 2 }),
      "state.loss[1]": () =>
        run.saveCheckpoint(2, { ...good, state: { loss: [0, bad] } }, { limit: 2 }),
      "q.s": () =>
        run.saveAdapter({ tensors: { "q.s": tensor }, config: adapterConfig(2), card: "" }),
      "metrics of step 3.loss": () => run.appendMetrics([{ step: 3, loss: bad }]),
      "front.points[0]": () => run.saveFront("grid", { json: { points: [bad] }, svg: "", csv: "" }),
    };
    for (const [named, attempt] of Object.entries(attempts)) {
      await assert.rejects(attempt(), (error) => {
        assert(error instanceof DivergedError, `${named}: ${error}`);
        assert(error.message.includes(named), `${named}: ${error.message}`);
        return true;
      });
    }
  }
  assert.deepEqual(await namesIn(path), [".lock", "checkpoint-1", "run_config.json"]);
});

Deno.test("non-finite half floats are refused too, integers never", async () => {
  await using temporary = await temporaryRun();
  const save = (dtype: "F16" | "BF16" | "I32", bytes: number[]) =>
    temporary.run.saveCheckpoint(1, {
      ...checkpointOf(1),
      optimizer: { x: { dtype, shape: [1], data: new Uint8Array(bytes) } },
    }, { limit: 1 });
  await assert.rejects(save("F16", [0x00, 0x7c]), DivergedError); // ∞
  await assert.rejects(save("F16", [0x01, 0xfe]), DivergedError); // NaN
  await assert.rejects(save("BF16", [0x80, 0xff]), DivergedError); // -∞
  await save("F16", [0xff, 0x7b]); // 65504, the largest
  await save("BF16", [0x7f, 0x7f]);
  await save("I32", [0xff, 0xff, 0xff, 0xff]);
});

Deno.test("state that JSON would alter is refused", async () => {
  await using temporary = await temporaryRun();
  for (const value of [new Float32Array(1), 1n, new Map(), () => 0, new Date(0), undefined]) {
    const state = { list: [value] };
    const save = temporary.run.saveCheckpoint(1, { ...checkpointOf(1), state }, { limit: 1 });
    await assert.rejects(save, /expected plain JSON/);
  }
});

Deno.test("openAdapter() reads a run folder and a checkpoint folder", async () => {
  await using temporary = await temporaryRun();
  const { run, path } = temporary;
  await run.saveCheckpoint(3, checkpointOf(3), { limit: 1 });
  await assert.rejects(openAdapter(path), (error) => {
    assert(error instanceof InputError && error.message.includes("checkpoint-3"));
    return true;
  });
  await saveAdapter(run, 4);
  await run.saveFront("final", { json: { points: [1] }, svg: "<svg/>", csv: "a\n" });
  const adapter = await openAdapter(path); // needs no lock
  assert.deepEqual(adapter.tensors, tensorsOf(4));
  assert.deepEqual(adapter.config, adapterConfig(4));
  assert.equal(adapter.card, "# step 4\n");
  assert.deepEqual(await adapter.fronts(), { final: { points: [1] } });
  const checkpoint = await openAdapter(join(path, "checkpoint-3"));
  assert.deepEqual(checkpoint.tensors, tensorsOf(3));
  assert.equal(checkpoint.card, "");
  assert.deepEqual(await checkpoint.fronts(), {});
});

Deno.test("openAdapter() refuses foreign folders and names what it wants", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  await assert.rejects(openAdapter(join(path, "none")), InputError);
  await assert.rejects(openAdapter(path), InputError);
  await Deno.writeTextFile(join(path, "adapter_config.json"), '{"peft_type": "LORA"}');
  await assert.rejects(openAdapter(path), InputError);
  await assert.rejects(openAdapter(join(path, "adapter_config.json")), /got a file/);
  await Deno.writeTextFile(join(path, "manifest.json"), '{"name": "a web app"}');
  await assert.rejects(openAdapter(path), (error) => {
    assert(error instanceof CorruptFileError && error.message.includes("manifest.json"));
    return true;
  });
});

Deno.test("saveAdapter() refuses a configuration that is not of the schema", async () => {
  await using temporary = await temporaryRun();
  const config = { ...adapterConfig(1), lora_r: 0 };
  await assert.rejects(
    temporary.run.saveAdapter({ tensors: tensorsOf(1), config, card: "" }),
    /lora_r/,
  );
});

Deno.test("an adapter caught half-way into the run folder is readable and then finished", async () => {
  await using folder = await temporaryFolder();
  for (let moved = 0; moved <= 4; moved++) {
    const path = join(folder.path, `run-${moved}`);
    {
      await using run = await openRun(path, { create: true });
      await run.saveConfig(RunConfig.parse({}));
      await saveAdapter(run, 1);
      await Deno.rename(path, `${path}-old`);
    }
    {
      await using run = await openRun(path, { create: true });
      await run.saveConfig(RunConfig.parse({}));
      await saveAdapter(run, 2);
    }
    // Rebuild the state after `moved` of the four renames from the new adapter over the old one.
    const files = [
      "adapter_config.json",
      "adapter_model.safetensors",
      "README.md",
      "manifest.json",
    ];
    const incoming = join(path, ".adapter-incoming");
    await Deno.mkdir(incoming);
    for (const name of files.slice(moved)) {
      await Deno.rename(join(path, name), join(incoming, name));
      await Deno.copyFile(join(`${path}-old`, name), join(path, name));
    }
    assert.equal((await openAdapter(path)).card, "# step 2\n", `read after ${moved} renames`);
    await (await openRun(path)).close();
    assert.equal((await openAdapter(path)).config.steps, 2);
    assert(!(await namesIn(path)).includes(".adapter-incoming"));
  }
});

Deno.test("metrics are appended, read, and cut back to a step", async () => {
  await using temporary = await temporaryRun();
  const { run, path } = temporary;
  assert.deepEqual(await run.readMetrics(), []);
  await run.truncateMetrics(5);
  const rows = [1, 2, 3, 4].map((step) => ({ step, loss: -1 / step, name: "ü" }));
  await run.appendMetrics(rows.slice(0, 1));
  await run.appendMetrics(rows.slice(1));
  assert.deepEqual(await run.readMetrics(), rows);
  const whole = await Deno.readTextFile(join(path, "metrics.jsonl"));
  await run.truncateMetrics(2);
  assert.deepEqual(await run.readMetrics(), rows.slice(0, 2));
  await run.appendMetrics(rows.slice(2));
  assert.equal(await Deno.readTextFile(join(path, "metrics.jsonl")), whole);
  await assert.rejects(run.appendMetrics([{ step: -1 }]), TypeError);
});

Deno.test("a metrics row cut at any byte is dropped on opening, a damaged one is named", async () => {
  await using temporary = await temporaryRun();
  const { run, path } = temporary;
  const file = join(path, "metrics.jsonl");
  await run.appendMetrics([{ step: 1, name: "a" }, { step: 2, name: "ü" }]);
  await run.close();
  const bytes = await Deno.readFile(file);
  const first = bytes.indexOf(0x0a) + 1;
  for (let length = first; length < bytes.length; length++) {
    await Deno.writeFile(file, bytes.subarray(0, length));
    await using again = await openRun(path);
    assert.deepEqual(await again.readMetrics(), [{ step: 1, name: "a" }]);
    assert.equal((await Deno.stat(file)).size, first);
  }
  await Deno.writeTextFile(file, '{"step":1}\n{"stop":2}\n{"step":3}\n');
  await assert.rejects(openRun(path), (error) => {
    assert(error instanceof CorruptFileError);
    assert(error.message.includes(`${file} line 2`), error.message);
    return true;
  });
});

Deno.test("saveFront() writes its files and refuses names that lead elsewhere", async () => {
  await using temporary = await temporaryRun();
  const { run, path } = temporary;
  const files = { json: { x: 1 }, svg: "<svg/>", csv: "x\n1\n" };
  const place = (name: string) => join(path, "fronts", name);
  const paths = await run.saveFront("grid-11", files);
  assert.deepEqual(paths, ["grid-11.svg", "grid-11.csv", "grid-11.json"].map(place));
  assert.equal(await Deno.readTextFile(place("grid-11.csv")), files.csv);
  const further = { "rewards.svg": "<svg>rewards</svg>" };
  assert.equal((await run.saveFront("more", { ...files, further }))[3], place("more.rewards.svg"));
  assert.equal(await Deno.readTextFile(place("more.rewards.svg")), "<svg>rewards</svg>");
  assert.deepEqual(await frontNames(path), ["grid-11", "more"]);
  assert.deepEqual(
    await saveFigure(path, "comparison", files),
    ["svg", "csv", "json"].map((extension) => join(path, "figures", `comparison.${extension}`)),
  );
  for (const name of ["../x", "a/b", "", ".x", "a\0", "x".repeat(101), "a\\b"]) {
    await assert.rejects(run.saveFront(name, files), RangeError);
  }
});

Deno.test("a run that was used by nobody since is opened by the next, leftovers cleared", async () => {
  await using temporary = await temporaryRun();
  const { run, path } = temporary;
  await run.saveCheckpoint(1, checkpointOf(1), { limit: 2 });
  await run.close();
  await Deno.rename(join(path, "checkpoint-1"), join(path, ".old-checkpoint-1~0"));
  await Deno.mkdir(join(path, ".tmp-checkpoint-1~0"));
  await using again = await openRun(path);
  const checkpoint = await again.latestCheckpoint();
  assert(checkpoint && valueOf(checkpoint) === 1);
  assert.deepEqual(await namesIn(path), [".lock", "checkpoint-1", "run_config.json"]);
  const sigma = checkpoint.adapter["model.layers.0.self_attn.q_proj.sigma"];
  assert(sigma && toFloat32(sigma).every((value) => value === 1));
});
