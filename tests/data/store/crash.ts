// A process death at a chosen moment: from the n-th change of the disk on, nothing reaches it any
// more, error handlers included. The n-th change itself, if a write, is done by half.
const CHANGES = ["mkdir", "remove", "rename", "truncate", "writeFile", "writeTextFile"] as const;
const FILE_CHANGES = ["write", "sync", "truncate"] as const;

class Crash extends Error {
  override name = "Crash";
}

/**
 * Runs `work` with the disk dying at its `point`-th change (counted from 1).
 *
 * @returns whether that point was reached; false once `point` is beyond the last change
 */
export async function crashAt(point: number, work: () => Promise<void>): Promise<boolean> {
  let changes = 0;
  const restore: (() => void)[] = [];
  const wrap = (object: object, key: string) => {
    const original = Reflect.get(object, key);
    Reflect.set(object, key, async function (this: unknown, ...args: unknown[]) {
      if (++changes > point) throw new Crash("the process is dead");
      if (changes < point) return await original.apply(this, args);
      if (key === "write" && args[0] instanceof Uint8Array) {
        await original.call(this, args[0].subarray(0, args[0].length / 2));
      }
      throw new Crash("the process dies here");
    });
    restore.push(() => Reflect.set(object, key, original));
  };
  for (const key of CHANGES) wrap(Deno, key);
  for (const key of FILE_CHANGES) wrap(Deno.FsFile.prototype, key);
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  } finally {
    for (const undo of restore) undo();
  }
  return changes >= point;
}
