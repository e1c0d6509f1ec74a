import assert from "node:assert/strict";
import { join } from "node:path";
import { BusyError } from "../../../core/errors.ts";
import { acquireLock } from "../../../data/store/lock.ts";
import { startChild } from "./child_process.ts";
import { temporaryFolder } from "./fixtures.ts";

Deno.test("acquireLock() gives a lock once, names the holder, and gives it again", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, ".lock");
  const lock = await acquireLock(path);
  await assert.rejects(acquireLock(path), (error) => {
    assert(error instanceof BusyError);
    assert(error.message.includes(`process ${Deno.pid} on ${Deno.hostname()}`), error.message);
    assert(error.message.includes(folder.path));
    return true;
  });
  await lock.release();
  await lock.release();
  await (await acquireLock(path)).release();
  assert.deepEqual(await Array.fromAsync(Deno.readDir(folder.path)), []);
});

Deno.test("acquireLock() lets exactly 1 of 50 contenders in one process through", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, ".lock");
  const tries = await Promise.allSettled(Array.from({ length: 50 }, () => acquireLock(path)));
  const held = tries.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  assert.equal(held.length, 1);
  for (const result of tries) {
    if (result.status === "rejected") assert(result.reason instanceof BusyError);
  }
  await held[0]?.release();
});

Deno.test("acquireLock() lets exactly 1 of 8 processes through, 50 times", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, ".lock");
  const children = Array.from({ length: 8 }, () => startChild("contend", path));
  try {
    for (const child of children) assert.equal(await child.nextLine(), "ready");
    for (let round = 0; round < 50; round++) {
      await Promise.all(children.map((child) => child.tell("try")));
      const answers = await Promise.all(children.map((child) => child.nextLine()));
      const winners = children.filter((_, i) => answers[i]?.startsWith("held"));
      assert.equal(winners.length, 1, `round ${round}: ${answers.join(" | ")}`);
      const [winner] = winners;
      for (const answer of answers.filter((answer) => answer?.startsWith("busy"))) {
        assert(answer?.includes(`process ${winner?.pid} on ${Deno.hostname()}`), answer ?? "");
      }
      await winner?.tell("release");
      assert.equal(await winner?.nextLine(), "released");
    }
  } finally {
    await Promise.all(children.map((child) => child.finish()));
  }
});

Deno.test("acquireLock() never lets two processes in at once while locks come and go", async () => {
  await using folder = await temporaryFolder();
  const children = Array.from(
    { length: 4 },
    () => startChild("spin", join(folder.path, ".lock"), "50"),
  );
  for (const child of children) {
    assert.deepEqual(await child.finish(), { lines: ["done"], code: 0 });
  }
});

Deno.test("acquireLock() does not keep a file that its last holder removed meanwhile", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, ".lock");
  const first = await acquireLock(path);
  // The first holder lets go at the worst moment: the second has opened the file, not locked it.
  const open = Deno.open;
  Reflect.set(Deno, "open", async (...args: Parameters<typeof open>) => {
    const file = await open(...args);
    Reflect.set(Deno, "open", open);
    await first.release();
    return file;
  });
  const second = await acquireLock(path);
  await assert.rejects(acquireLock(path), BusyError);
  await second.release();
});

Deno.test("acquireLock() recovers the lock of a killed process", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, ".lock");
  const child = startChild("contend", path);
  await child.nextLine();
  await child.tell("try");
  assert.equal(await child.nextLine(), `held ${child.pid}`);
  await assert.rejects(acquireLock(path), BusyError);
  child.kill();
  await child.finish();
  assert.equal(JSON.parse(await Deno.readTextFile(path)).pid, child.pid);
  await (await acquireLock(path)).release();
});

Deno.test("acquireLock() tells a live writer from a later process with its pid", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, ".lock");
  const host = Deno.hostname();
  const stat = await Deno.readTextFile(`/proc/${Deno.ppid}/stat`).catch(() => "");
  const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  if (started === undefined) return; // no /proc here: the kernel's lock alone decides
  const holder = { pid: Deno.ppid, host, started };
  await Deno.writeTextFile(path, JSON.stringify(holder));
  await assert.rejects(acquireLock(path), BusyError);
  for (const stale of [{ ...holder, started: "1" }, { ...holder, pid: 2 ** 30 }]) {
    await Deno.writeTextFile(path, JSON.stringify(stale));
    await (await acquireLock(path)).release();
  }
});

Deno.test("acquireLock() takes a lock file with foreign or cut content", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, ".lock");
  for (const content of ["", "{", "\u0000\u0001", "[]"]) {
    await Deno.writeTextFile(path, content);
    await (await acquireLock(path)).release();
  }
});
