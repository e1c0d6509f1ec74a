// One writer per run folder. The kernel's lock on an open file (flock) decides, so it vanishes with
// its process, however that ends; the file's content only says who holds it.
import { dirname } from "node:path";
import { z } from "zod";
import { BusyError } from "../../core/errors.ts";
import { reportingStorage, syncFolder, writeAll } from "./atomic.ts";

const Holder = z.strictObject({
  pid: z.number().int().positive(),
  host: z.string(),
  /** When the process started, in clock ticks since boot; null where /proc is out of reach. */
  started: z.string().nullable(),
});
type Holder = z.infer<typeof Holder>;

const NAME_WAIT_MS = 1000; // a holder writes its name within milliseconds of locking

/** A held lock. */
export interface Lock {
  path: string;
  /** Gives the lock back and removes its file; more calls do nothing. */
  release(): Promise<void>;
}

/**
 * Takes the lock file `path`, creating it; a lock left by a dead process is recovered.
 *
 * @throws {BusyError} another process (or this one) holds it, naming pid and host
 * @throws {StorageError} the file cannot be created
 */
export async function acquireLock(path: string): Promise<Lock> {
  for (;;) {
    const file = await reportingStorage(
      path,
      256,
      () => Deno.open(path, { read: true, write: true, create: true }),
    );
    try {
      if (!(await file.tryLock(true))) throw busy(path, await awaitHolder(file));
      // Between opening and locking, the last holder may have removed this very file.
      if (!(await isSameFile(file, path))) {
        file.close();
        continue;
      }
      const previous = await readHolder(file);
      if (previous && await isAlive(previous)) throw busy(path, previous);
      await reportingStorage(path, 256, () => writeHolder(file));
      await syncFolder(dirname(path));
    } catch (error) {
      file.close();
      throw error;
    }
    return { path, release: releaseOnce(file, path) };
  }
}

function releaseOnce(file: Deno.FsFile, path: string): () => Promise<void> {
  let held = true;
  return async () => {
    if (!held) return;
    held = false;
    // Removed while locked: whoever opened it before finds another file, or none, under the name.
    if (await isSameFile(file, path)) await Deno.remove(path).catch(() => {});
    file.close();
  };
}

function busy(path: string, holder: Holder | null): BusyError {
  const who = holder
    ? `one held by process ${holder.pid} on ${holder.host}`
    : "one held by a process that has not written its name yet";
  return new BusyError(
    `Cannot lock ${dirname(path)}: expected a folder that no other run is using, got ${who}`,
  );
}

async function writeHolder(file: Deno.FsFile): Promise<void> {
  const holder: Holder = {
    pid: Deno.pid,
    host: hostName(),
    started: await startTime(Deno.pid),
  };
  await file.truncate(0);
  await file.seek(0, Deno.SeekMode.Start);
  await writeAll(file, new TextEncoder().encode(JSON.stringify(holder) + "\n"));
  await file.sync();
}

async function awaitHolder(file: Deno.FsFile): Promise<Holder | null> {
  for (let waited = 0; waited < NAME_WAIT_MS; waited += 10) {
    const holder = await readHolder(file);
    if (holder) return holder;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return null;
}

async function readHolder(file: Deno.FsFile): Promise<Holder | null> {
  await file.seek(0, Deno.SeekMode.Start);
  const bytes = new Uint8Array(1024);
  const length = await file.read(bytes) ?? 0;
  try {
    return Holder.parse(JSON.parse(new TextDecoder().decode(bytes.subarray(0, length))));
  } catch {
    return null; // empty, half-written or foreign: the kernel's lock is what counts
  }
}

async function isSameFile(file: Deno.FsFile, path: string): Promise<boolean> {
  const open = await file.stat();
  const named = await Deno.stat(path).catch(() => null);
  return named !== null && open.ino === named.ino && open.dev === named.dev;
}

/**
 * Guards file systems that lose locks: whoever wrote its name there, on this host, and still runs.
 * Start times tell a process from a later one with the same pid.
 */
async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.host !== hostName() || holder.started === null || holder.pid === Deno.pid) {
    return false;
  }
  return (await startTime(holder.pid)) === holder.started;
}

async function startTime(pid: number): Promise<string | null> {
  try {
    const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
    // proc(5): field 22; counted after the command, which is in parentheses and may hold blanks.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null; // no such process, no /proc, or no permission to read it
  }
}

function hostName(): string {
  try {
    return Deno.hostname();
  } catch {
    return "this host"; // without permission to ask
  }
}
