// Saves that are killed or run out of disk: what was saved before is still there (bars 18 and 19).
import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { RunConfig } from "../../../core/config.ts";
import { StorageError } from "../../../core/errors.ts";
import { openAdapter, openRun } from "../../../data/store/run_folder.ts";
import { childArguments, startChild } from "./child_process.ts";
import { crashAt } from "./crash.ts";
import { adapterConfig, checkpointOf, temporaryFolder, tensorsOf, valueOf } from "./fixtures.ts";

const KILLS = { saving: 20, replacing: 10 };

/** Runs a child until it has reported `lines` lines, kills it `delayMs` later, returns all lines. */
async function killAfter(
  args: string[],
  { lines, delayMs }: { lines: number; delayMs: number },
): Promise<string[]> {
  const child = startChild(...args);
  const reported: string[] = [];
  while (reported.length < lines) {
    const line = await child.nextLine();
    if (line === null) break;
    reported.push(line);
  }
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  child.kill();
  return [...reported, ...(await child.finish()).lines];
}

function lastNumber(lines: string[], word: string): number {
  return Number(lines.findLast((line) => line.startsWith(word))?.split(" ")[1] ?? 0);
}

Deno.test(`a trainer killed at ${KILLS.saving} moments always leaves step N or N-1, whole`, async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "run");
  {
    await using run = await openRun(path, { create: true });
    await run.saveConfig(RunConfig.parse({}));
  }
  let start = 0;
  for (let kill = 0; kill < KILLS.saving; kill++) {
    // 7.3 ms apart, so that they fall all over a save of some 20 ms.
    const lines = await killAfter(["train", path, `${start}`], {
      lines: 2 + kill % 3,
      delayMs: (kill * 7.3) % 40,
    });
    const saved = lastNumber(lines, "checkpoint");
    await using run = await openRun(path);
    const checkpoint = await run.latestCheckpoint();
    assert(checkpoint, "a checkpoint was reported as saved");
    assert([saved, saved + 1].includes(checkpoint.step), `${checkpoint.step} after ${saved}`);
    assert.equal(valueOf(checkpoint), checkpoint.step);
    const adapter = await openAdapter(path);
    const adapterSaved = lastNumber(lines, "adapter");
    assert([adapterSaved, adapterSaved + 1].includes(adapter.config.steps));
    assert.equal(adapter.card, `# step ${adapter.config.steps}\n`);
    assert.deepEqual(adapter.tensors, tensorsOf(adapter.config.steps));
    const steps = (await run.readMetrics()).map(({ step }) => step);
    assert.deepEqual(steps.slice(0, saved), Array.from({ length: saved }, (_, i) => i + 1));
    await run.truncateMetrics(checkpoint.step);
    start = checkpoint.step;
    for await (const { name } of Deno.readDir(path)) {
      assert(!/^\.(tmp|old|adapter)/.test(name), `leftover ${name}`);
    }
  }
});

Deno.test("a trainer killed while it replaces a checkpoint leaves the old or the new one", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "run");
  {
    await using run = await openRun(path, { create: true });
    await run.saveConfig(RunConfig.parse({}));
  }
  let start = 0;
  for (let kill = 0; kill < KILLS.replacing; kill++) {
    const lines = await killAfter(["replace", path, `${start}`], {
      lines: 1 + kill % 2,
      delayMs: (kill * 3.7) % 25,
    });
    const saved = lastNumber(lines, "checkpoint");
    await using run = await openRun(path);
    const checkpoint = await run.latestCheckpoint();
    assert(checkpoint, "a checkpoint was reported as saved");
    start = valueOf(checkpoint);
    assert([saved, saved + 1].includes(start), `${start} after ${saved}`);
  }
});

Deno.test("a writer that dies at any change of the disk leaves the old or the new files", async () => {
  await using folder = await temporaryFolder();
  const template = join(folder.path, "template");
  {
    await using run = await openRun(template, { create: true });
    await run.saveConfig(RunConfig.parse({}));
    await run.saveCheckpoint(1, checkpointOf(1), { limit: 1 });
    await run.saveAdapter({ tensors: tensorsOf(1), config: adapterConfig(1), card: "# step 1\n" });
    await run.appendMetrics([{ step: 1 }]);
  }
  let reached = true;
  let points = 0;
  for (let point = 1; reached; point++) {
    const path = join(folder.path, `run-${point}`);
    await cp(template, path, { recursive: true });
    const run = await openRun(path);
    const done: string[] = [];
    reached = await crashAt(point, async () => {
      await run.appendMetrics([{ step: 2 }]);
      done.push("metrics");
      await run.saveCheckpoint(1, checkpointOf(2), { limit: 1 }); // replaces
      done.push("replaced");
      await run.saveCheckpoint(2, checkpointOf(2), { limit: 1 }); // prunes
      done.push("saved");
      await run.saveAdapter({
        tensors: tensorsOf(2),
        config: adapterConfig(2),
        card: "# step 2\n",
      });
      done.push("adapter");
    });
    if (reached) points++;
    await run.close(); // what the kernel does for a dead process

    const where = `change ${point}, after ${done.join(", ") || "nothing"}`;
    // A reader sees a whole adapter even before the next writer has cleared up.
    const adapter = await openAdapter(path);
    const { steps } = adapter.config;
    assert((done.includes("adapter") ? [2] : [1, 2]).includes(steps), where);
    assert.deepEqual(adapter.tensors, tensorsOf(steps), where);
    assert.equal(adapter.card, `# step ${steps}\n`, where);
    await using again = await openRun(path);
    const checkpoint = await again.latestCheckpoint();
    assert(checkpoint, `no checkpoint after ${where}`);
    assert((done.includes("replaced") ? [2] : [1, 2]).includes(valueOf(checkpoint)), where);
    if (done.includes("saved")) assert.equal(checkpoint.step, 2, where);
    assert.deepEqual((await openAdapter(path)).config, adapter.config, where);
    const rows = (await again.readMetrics()).length;
    assert((done.includes("metrics") ? [2] : [1, 2]).includes(rows), where);
    const left = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
    assert(!left.some((name) => /^\.(tmp|old|adapter)/.test(name)), `${left} after ${where}`);
  }
  assert(points > 40, `${points} points tried`);
});

Deno.test("a save cut off by a file size limit names the file and leaves the earlier one", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "run");
  {
    await using run = await openRun(path, { create: true });
    await run.saveConfig(RunConfig.parse({}));
    await run.saveCheckpoint(1, checkpointOf(1), { limit: 2 });
  }
  const size = 64 << 10; // the adapter takes 1 MiB, the optimiser state 2 MiB
  for (const limitKiB of [0, 4, 900, 1500]) {
    // With the signal ignored, writing past the limit fails with EFBIG as it does with a full disk.
    const output = await new Deno.Command("bash", {
      args: [
        "-c",
        `trap '' XFSZ; ulimit -f ${limitKiB}; exec "$0" "$@"`,
        Deno.execPath(),
        ...childArguments("write", path, `${size}`),
      ],
      stderr: "piped",
    }).output();
    const said = new TextDecoder().decode(output.stdout) + new TextDecoder().decode(output.stderr);
    assert.match(said, /StorageError/, `limit ${limitKiB} KiB`);
    assert(said.includes(path) && said.includes("bytes free") && said.includes("EFBIG"), said);
    await using run = await openRun(path);
    const checkpoint = await run.latestCheckpoint();
    assert(checkpoint && valueOf(checkpoint) === 1 && checkpoint.step === 1);
    for await (const { name } of Deno.readDir(path)) assert(!name.startsWith(".tmp"), name);
  }
});

const canMount = Deno.build.os === "linux" && Deno.uid() === 0 && await mountsTmpfs();

Deno.test({
  name: "a disk full at every page of a save leaves the earlier files and says what is needed" +
    (canMount ? "" : " (skipped: needs root and mount)"),
  ignore: !canMount,
  async fn() {
    await using folder = await temporaryFolder();
    await mount(folder.path);
    try {
      await fillDisk(join(folder.path, "run"), join(folder.path, "filler"));
    } finally {
      await new Deno.Command("umount", { args: [folder.path] }).output();
    }
  },
});

async function fillDisk(path: string, filler: string) {
  await using run = await openRun(path, { create: true });
  await run.saveConfig(RunConfig.parse({}));
  await run.saveCheckpoint(1, checkpointOf(1), { limit: 2 });
  await run.saveAdapter({ tensors: tensorsOf(1), config: adapterConfig(1), card: "one" });
  await run.appendMetrics([{ step: 1 }]);
  let failures = 0;
  for (let freePages = 0; freePages < 30; freePages++) {
    await writeUntilFull(filler);
    await Deno.truncate(filler, (await Deno.stat(filler)).size - 4096 * freePages);
    const saves: Record<string, () => Promise<unknown>> = {
      checkpoint: () => run.saveCheckpoint(2, checkpointOf(2, 2048), { limit: 2 }),
      adapter: () =>
        run.saveAdapter({ tensors: tensorsOf(2, 2048), config: adapterConfig(2), card: "two" }),
      metrics: () => run.appendMetrics([{ step: 2, text: "x".repeat(20_000) }]),
    };
    for (const [name, save] of Object.entries(saves)) {
      const error = await save().then(() => null, (error) => error);
      if (!error) continue;
      failures++;
      assert(error instanceof StorageError, `${name} with ${freePages} pages: ${error}`);
      assert.match(error.message, /Cannot write .*run.* \d+ bytes free, got ENOSPC/);
      if (name === "checkpoint") assert.equal((await run.latestCheckpoint())?.step, 1);
      if (name === "adapter") assert.equal((await openAdapter(path)).card, "one");
      if (name === "metrics") assert.deepEqual(await run.readMetrics(), [{ step: 1 }]);
    }
    // Where it fitted, start again from the first state.
    await Deno.remove(filler);
    await Deno.remove(join(path, "checkpoint-2"), { recursive: true }).catch(() => {});
    await run.saveAdapter({ tensors: tensorsOf(1), config: adapterConfig(1), card: "one" });
    await run.truncateMetrics(1);
    for await (const { name } of Deno.readDir(path)) assert(!name.startsWith(".tmp"), name);
  }
  assert(failures > 30, `${failures} saves met the full disk`);
  await run.saveCheckpoint(2, checkpointOf(2), { limit: 2 });
  assert.equal((await run.latestCheckpoint())?.step, 2);
}

async function writeUntilFull(path: string) {
  using file = await Deno.open(path, { write: true, create: true });
  for (const size of [65536, 4096]) {
    try {
      for (;;) if (await file.write(new Uint8Array(size)) < size) break;
    } catch {
      // full: the point of it
    }
  }
}

async function mount(path: string): Promise<boolean> {
  const args = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path];
  const { success } = await new Deno.Command("mount", { args, stderr: "null" }).output();
  return success;
}

async function mountsTmpfs(): Promise<boolean> {
  await using folder = await temporaryFolder();
  try {
    if (!(await mount(folder.path))) return false;
    return (await new Deno.Command("umount", { args: [folder.path] }).output()).success;
  } catch {
    return false;
  }
}
