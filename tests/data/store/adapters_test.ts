import assert from "node:assert/strict";
import { join } from "node:path";
import { RunConfig } from "../../../core/config.ts";
import {
  BusyError,
  ConflictError,
  CorruptFileError,
  InputError,
  NotFoundError,
} from "../../../core/errors.ts";
import { summarizeFront } from "../../../core/front/report.ts";
import { hashParameters } from "../../../data/store/adapter_config.ts";
import {
  AdapterDetails,
  adapterHash,
  AdapterId,
  AdapterSummary,
  baseName,
  listAdapters,
  readAdapter,
  removeAdapter,
  resolveAdapter,
} from "../../../data/store/adapters.ts";
import { type AdapterConfig, openAdapter, openRun } from "../../../data/store/run_folder.ts";
import { adapterConfig, checkpointOf, temporaryFolder, tensorsOf } from "./fixtures.ts";

/** A run with a checkpoint and, where `finished`, an adapter, a front and a logged row. */
async function makeRun(
  path: string,
  { finished = true, changes = {}, config = {} }: {
    finished?: boolean;
    changes?: Partial<AdapterConfig>;
    config?: Partial<RunConfig>;
  } = {},
): Promise<void> {
  await using run = await openRun(path, { create: true });
  await run.saveConfig(RunConfig.parse({ output_dir: path, ...config }));
  await run.saveCheckpoint(3, checkpointOf(3), { limit: 2 });
  if (!finished) return;
  await run.saveAdapter({
    tensors: tensorsOf(7),
    config: { ...adapterConfig(7), ...changes },
    card: `# Card\n\n- base model ${changes.base_model ?? "tiny"}\n`,
  });
  await run.saveFront("final", { json: front(path), svg: "<svg/>", csv: "a,b\n" });
  await run.appendMetrics([{ step: 1, loss: 0.5, note: "warm" }]);
}

function front(adapter: string) {
  const preferences = [[0, 1], [1, 0]];
  return summarizeFront({
    adapter,
    metric: "implicit_accuracy",
    dimensions: ["helpful", "harmless"],
    preferences,
    outcomes: [0, 1].map((i) => ({ values: preferences.map((p) => [p[i] ?? 0, p[i] ?? 0]) })),
    referencePoint: [0, 0],
    settings: { dataset: "helpful=/data/a.jsonl" },
  }, { seed: 1, resamples: 10 });
}

Deno.test("AdapterId takes plain names only", () => {
  for (const name of ["a", "first", "run-1_b", "v1.2", "_x", "A".repeat(100)]) {
    assert.ok(AdapterId.safeParse(name).success, name);
  }
  for (
    const name of ["", ".", "..", ".a", "a.", "a..b", "a/b", "-a", "a b", "a\n", "A".repeat(101)]
  ) {
    assert.ok(!AdapterId.safeParse(name).success, JSON.stringify(name));
  }
});

Deno.test("resolveAdapter() gives the real path, through a root that is a link as well", async () => {
  await using folder = await temporaryFolder();
  const root = join(folder.path, "runs");
  await makeRun(join(root, "a"));
  await Deno.symlink(root, join(folder.path, "link"));
  const real = await Deno.realPath(join(root, "a"));
  assert.equal(await resolveAdapter(root, "a"), real);
  assert.equal(await resolveAdapter(join(folder.path, "link"), "a"), real);
});

Deno.test("resolveAdapter() tells a wrong name from one that does not exist", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(join(folder.path, "file"), "");
  await assert.rejects(resolveAdapter(folder.path, "../a"), InputError);
  for (const [root, id] of [[folder.path, "a"], [folder.path, "file"], ["no/such/root", "a"]]) {
    await assert.rejects(resolveAdapter(root ?? "", id ?? ""), NotFoundError);
  }
});

Deno.test("resolveAdapter() refuses links that lead out, in the folder and below, and no others", async () => {
  await using folder = await temporaryFolder();
  const root = join(folder.path, "runs");
  for (const id of ["a", "b", "c", "d"]) await makeRun(join(root, id));
  await Deno.symlink(folder.path, join(root, "out"));
  await Deno.symlink(join(root, "a", "checkpoint-3"), join(root, "deep"));
  await Deno.writeTextFile(join(folder.path, "secret"), "secret");
  await Deno.symlink(join(folder.path, "secret"), join(root, "b", "log"));
  await Deno.symlink("../../../secret", join(root, "c", "fronts", "x.json"));
  await Deno.symlink(join(root, "d", "checkpoint-3"), join(root, "d", "newest"));
  await Deno.symlink("nowhere", join(root, "d", "dangling"));
  await Deno.symlink(join(root, "loop"), join(root, "loop"));
  for (const id of ["out", "deep", "b", "c"]) {
    await assert.rejects(resolveAdapter(root, id), InputError, id);
  }
  await assert.rejects(resolveAdapter(root, "loop"), NotFoundError);
  await resolveAdapter(root, "a");
  await resolveAdapter(root, "d");
  const damaged: string[] = [];
  const listed = await listAdapters(root, { onDamaged: (id) => damaged.push(id) });
  assert.deepEqual(listed.map(({ id }) => id), ["a", "d"]);
  assert.deepEqual(damaged, ["b", "c", "deep", "out"]);
});

Deno.test("listAdapters() shows finished and unfinished runs and passes over the rest", async () => {
  await using folder = await temporaryFolder();
  const root = folder.path;
  await makeRun(join(root, "b"), { changes: { base_model: "models/tiny/" } });
  await makeRun(join(root, "a"), { finished: false });
  await makeRun(join(root, "broken"));
  await makeRun(join(root, ".hidden"));
  await Deno.mkdir(join(root, "empty"));
  await Deno.writeTextFile(join(root, "broken", "adapter_config.json"), "{}");
  const damaged: string[] = [];
  const list = await listAdapters(root, {
    onDamaged: (id, error) => damaged.push(`${id} ${error.name}`),
  });
  const shared = { base: "tiny", dimensions: ["helpful", "harmless"], examples: [] };
  const made = { objective: "dpo", aggregation: "ls" };
  assert.deepEqual(list, [
    { id: "a", ...shared, steps: 3, ...made, finished: false },
    { id: "b", ...shared, steps: 7, ...made, finished: true },
  ]);
  assert.deepEqual(damaged, ["broken CorruptFileError"]);
  for (const summary of list) AdapterSummary.parse(summary);
  assert.deepEqual(await listAdapters(join(root, "nowhere")), []);
});

Deno.test("adapters of the built-in world come with questions that it can answer", async () => {
  await using folder = await temporaryFolder();
  await makeRun(join(folder.path, "a"), { changes: { base_model: "builtin" } });
  const [{ examples } = { examples: [] }] = await listAdapters(folder.path);
  assert.ok(examples.length >= 4 && examples.length <= 8);
  assert.equal(new Set(examples).size, examples.length);
  assert.ok(examples.every((text) => text.length > 5));
});

Deno.test("readAdapter() gives card, config, run, fronts and the numbers that were logged", async () => {
  await using folder = await temporaryFolder();
  await makeRun(join(folder.path, "a"), { config: { seed: 5 } });
  const details = await readAdapter(folder.path, "a");
  assert.deepEqual(AdapterDetails.parse(details), details);
  assert.equal(details.run?.seed, 5);
  assert.deepEqual(details.config, adapterConfig(7));
  assert.deepEqual(details.metrics, [{ step: 1, loss: 0.5 }]);
  assert.deepEqual(Object.keys(details.fronts), ["final"]);
  assert.equal(details.fronts.final?.points.length, 2);
  assert.match(details.card, /^# Card/);
});

Deno.test("readAdapter() names no folder of this machine", async () => {
  await using folder = await temporaryFolder();
  await makeRun(join(folder.path, "a"), {
    changes: { base_model: `${folder.path}/models/tiny` },
    config: {
      model_name_or_path: `${folder.path}/models/tiny`,
      dataset: `helpful=${folder.path}/a.jsonl+${folder.path}/b.jsonl,harmless=data/c.jsonl`,
      eval_dataset: `${folder.path}/e.jsonl`,
    },
  });
  const details = await readAdapter(folder.path, "a");
  assert.ok(!JSON.stringify(details).includes(folder.path));
  assert.equal(details.base, "tiny");
  assert.equal(details.config.base_model, "tiny");
  assert.equal(details.run?.dataset, "helpful=a.jsonl+b.jsonl,harmless=data/c.jsonl");
  assert.equal(details.run?.eval_dataset, "e.jsonl");
  assert.equal(details.run?.output_dir, "a");
  assert.equal(details.fronts.final?.adapter, "a");
  assert.deepEqual(details.fronts.final?.settings.dataset, "helpful=a.jsonl");
  assert.match(details.card, /base model tiny/);
});

Deno.test("readAdapter() shows a run with checkpoints only, and names what is damaged", async () => {
  await using folder = await temporaryFolder();
  await makeRun(join(folder.path, "a"), { finished: false });
  const { finished, card, steps, fronts } = await readAdapter(folder.path, "a");
  assert.deepEqual({ finished, card, steps, fronts }, {
    finished: false,
    card: "",
    steps: 3,
    fronts: {},
  });
  await Deno.writeTextFile(join(folder.path, "a", "checkpoint-3", "adapter_config.json"), "{}");
  await assert.rejects(
    readAdapter(folder.path, "a"),
    (error) => error instanceof CorruptFileError && error.message.includes("adapter_config.json"),
  );
  await Deno.mkdir(join(folder.path, "empty"));
  await assert.rejects(readAdapter(folder.path, "empty"), NotFoundError);
});

Deno.test("a damaged front does not hide the others", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "a");
  await makeRun(path);
  await Deno.writeTextFile(join(path, "fronts", "bad.json"), "{");
  await Deno.writeTextFile(join(path, "fronts", "other.json"), "{}");
  assert.deepEqual(Object.keys((await readAdapter(folder.path, "a")).fronts), ["final"]);
});

Deno.test("removeAdapter() removes the folder and only it", async () => {
  await using folder = await temporaryFolder();
  await makeRun(join(folder.path, "a"));
  await makeRun(join(folder.path, "b"));
  await removeAdapter(folder.path, "a");
  assert.deepEqual((await listAdapters(folder.path)).map(({ id }) => id), ["b"]);
  assert.deepEqual((await Array.fromAsync(Deno.readDir(folder.path))).map(({ name }) => name), [
    "b",
  ]);
  await assert.rejects(removeAdapter(folder.path, "a"), NotFoundError);
});

Deno.test("removeAdapter() refuses a run that is being written and leaves it whole", async () => {
  await using folder = await temporaryFolder();
  await makeRun(join(folder.path, "a"));
  {
    await using _run = await openRun(join(folder.path, "a"));
    await assert.rejects(removeAdapter(folder.path, "a"), BusyError);
  }
  await openAdapter(join(folder.path, "a"));
  await removeAdapter(folder.path, "a");
});

Deno.test("removeAdapter() touches no folder that is not a run's, and no link", async () => {
  await using folder = await temporaryFolder();
  const root = folder.path;
  await makeRun(join(root, "a"));
  await Deno.symlink(join(root, "a"), join(root, "alias"));
  await Deno.mkdir(join(root, "photos"));
  await Deno.writeTextFile(join(root, "photos", "cat.jpg"), "");
  await Deno.mkdir(join(root, "empty"));
  await makeRun(join(root, "notes"));
  await Deno.writeTextFile(join(root, "notes", "thoughts.txt"), "");
  for (const id of ["alias", "photos", "empty", "notes"]) {
    await assert.rejects(removeAdapter(root, id), ConflictError, id);
  }
  const left = (await Array.fromAsync(Deno.readDir(root))).map(({ name }) => name);
  assert.deepEqual(left.sort(), ["a", "alias", "empty", "notes", "photos"]);
  assert.equal((await Deno.stat(join(root, "photos", "cat.jpg"))).size, 0);
});

Deno.test("adapterHash() is that of the parameters, in a run and in a checkpoint", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "a");
  await makeRun(path);
  assert.equal(await adapterHash(path), hashParameters(tensorsOf(7)));
  assert.equal(await adapterHash(path), (await openAdapter(path)).parametersHash);
  assert.equal(await adapterHash(join(path, "checkpoint-3")), hashParameters(tensorsOf(3)));
  assert.notEqual(hashParameters(tensorsOf(3)), hashParameters(tensorsOf(7)));
});

Deno.test("baseName() leaves the folder away", () => {
  assert.deepEqual(
    ["builtin", "owner/name", "/a/b/tiny/", "x.gguf", "/"].map(baseName),
    ["builtin", "name", "tiny", "x.gguf", "/"],
  );
});
