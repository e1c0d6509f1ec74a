// The other process of the store's tests; its first argument says what it does. It reports by lines
// on standard output, which the tests read.
import { BusyError } from "../../../core/errors.ts";
import { acquireLock, type Lock } from "../../../data/store/lock.ts";
import { openRun } from "../../../data/store/run_folder.ts";
import { adapterConfig, checkpointOf, tensorsOf } from "./fixtures.ts";

const [role = "", path = "", argument = ""] = Deno.args;
const roles: Record<string, () => Promise<void>> = { train, replace, contend, spin, write };
await roles[role]?.();

/** Saves checkpoint after checkpoint, with metrics and the adapter, until it is killed. */
async function train() {
  const run = await openRun(path, { create: true });
  for (let step = Number(argument) + 1;; step++) {
    await run.appendMetrics([{ step, loss: 1 / step }]);
    await run.saveCheckpoint(step, checkpointOf(step), { limit: 2 });
    report(`checkpoint ${step}`);
    await run.saveAdapter({
      tensors: tensorsOf(step),
      config: adapterConfig(step),
      card: `# step ${step}\n`,
    });
    report(`adapter ${step}`);
  }
}

/** Saves the same checkpoint over and over with another value each time, until it is killed. */
async function replace() {
  const run = await openRun(path, { create: true });
  for (let value = Number(argument) + 1;; value++) {
    await run.saveCheckpoint(1, checkpointOf(value), { limit: 2 });
    report(`checkpoint ${value}`);
  }
}

/** For each line `try` on standard input tries the lock; `release` gives it back. */
async function contend() {
  report("ready");
  let lock: Lock | undefined;
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
  let rest = "";
  for await (const chunk of lines) {
    const commands = (rest + chunk).split("\n");
    rest = commands.pop() ?? "";
    for (const command of commands) {
      if (command === "release") {
        await lock?.release();
        report("released");
        continue;
      }
      try {
        lock = await acquireLock(path);
        report(`held ${Deno.pid}`);
      } catch (error) {
        if (!(error instanceof BusyError)) throw error;
        report(`busy ${error.message}`);
      }
    }
  }
}

/** Enters the locked section `argument` times; two at once in it would collide on a file. */
async function spin() {
  for (let entered = 0; entered < Number(argument);) {
    let lock: Lock;
    try {
      lock = await acquireLock(path);
    } catch (error) {
      if (!(error instanceof BusyError)) throw error;
      continue;
    }
    await Deno.writeTextFile(`${path}.inside`, "", { createNew: true });
    // A lock on a file that has lost its name would let another one in.
    const again = await acquireLock(path).catch((error) => error);
    if (!(again instanceof BusyError)) throw new Error("expected a held lock to be refused");
    await Deno.remove(`${path}.inside`);
    entered++;
    await lock.release();
  }
  report("done");
}

/** Saves one checkpoint (step 2) and reports how that ended. */
async function write() {
  const run = await openRun(path);
  try {
    await run.saveCheckpoint(2, checkpointOf(2, Number(argument)), { limit: 2 });
    report("saved");
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    report(`${error.name} ${error.message}`);
  }
  await run.close();
}

function report(line: string) {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}
