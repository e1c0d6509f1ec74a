// The folder that bar 3 tries to lead out of, and what a process opened while it tried.
import { RunConfig } from "../../core/config.ts";
import { join } from "node:path";
import { openRun } from "../../data/store/run_folder.ts";
import { adapterConfig, temporaryFolder, tensorsOf } from "../data/store/fixtures.ts";

/** Names of links in the root: to a folder outside, and to an adapter whose files lie outside. */
export const LINKS = ["out", "inside-out"];

/** A root with the adapter `good` and links that lead out, beside a whole adapter outside. */
export async function withRoot(
  work: (root: string, outside: string) => Promise<void>,
): Promise<void> {
  await using folder = await temporaryFolder();
  const [root, outside] = [join(folder.path, "runs"), join(folder.path, "outside")];
  for (const path of [join(root, "good"), outside]) {
    await using run = await openRun(path, { create: true });
    await run.saveConfig(RunConfig.parse({}));
    await run.saveAdapter({ tensors: tensorsOf(1), config: adapterConfig(1), card: "# secret\n" });
  }
  await Deno.symlink(outside, join(root, "out"));
  await Deno.mkdir(join(root, "inside-out"));
  for await (const { name } of Deno.readDir(outside)) {
    await Deno.symlink(join(outside, name), join(root, "inside-out", name));
  }
  await work(await Deno.realPath(root), await Deno.realPath(outside));
}

/** Whether strace is installed. */
export const canTrace = await new Deno.Command("strace", {
  args: ["-V"],
  stdout: "null",
  stderr: "null",
}).output().then(({ success }) => success, () => false);

/**
 * A command that writes what it opens, with the time, to the file `trace` where strace is there. The
 * process started is the command's own, so that signals reach it.
 */
export function traced(trace: string, command: string[]): string[] {
  if (!canTrace) return command;
  const calls = "trace=open,openat,openat2,creat";
  return ["strace", "-D", "-f", "-q", "-ttt", "-s", "4096", "-e", calls, "-o", trace, ...command];
}

/**
 * Paths that a process that has ended opened between two moments (ms since 1970), as they were given
 * to the system.
 */
export async function openedBetween(
  trace: string,
  { pid, start, end }: { pid: number; start: number; end: number },
): Promise<string[]> {
  const last = new RegExp(`^${pid} .*(exited with|killed by)`, "m");
  let text = await Deno.readTextFile(trace);
  while (!last.test(text)) text = await Deno.readTextFile(trace); // strace is a moment behind
  const lines = text.split("\n");
  return lines.flatMap((line) => {
    const [, seconds, path] = /^\d+ +([\d.]+) \w+\([^"]*"([^"]*)"/.exec(line) ?? [];
    const time = 1000 * Number(seconds);
    return path !== undefined && time >= start && time <= end ? [path] : [];
  });
}

/** Whether a path is the root or below it. */
export function isInside(root: string, path: string): boolean {
  return path === root || (path.startsWith(`${root}/`) && !path.includes("/.."));
}
