// Runs one process of the benchmark to its end: output, time, and the most memory it held. Memory is
// read the same way for every process, ours or a peer's, so that the two can be compared.
import { type FinishedProcess, type ProcessPlan, root } from "./row.ts";

const EVERY_MS = 100;

/**
 * Runs a process in the root of the repository. Throws the signal's reason when it aborts (the
 * process gets SIGTERM), and an Error with what its standard error says when it fails.
 */
export async function runProcess(
  { program, args, env }: ProcessPlan,
  signal: AbortSignal,
): Promise<FinishedProcess> {
  signal.throwIfAborted();
  const start = performance.now();
  const child = new Deno.Command(program, {
    args,
    env: { NO_COLOR: "1", ...env },
    cwd: root,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal,
  }).spawn();
  const memory = watchPeak(child.pid);
  try {
    const [output, errors, { success, code }] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.status,
    ]);
    const seconds = (performance.now() - start) / 1000;
    signal.throwIfAborted();
    if (!success) {
      const shown = [program, ...args].map((part) => part.split("/").at(-1)).join(" ");
      throw new Error(`${shown} ended with code ${code}: ${reasonIn(errors)}`);
    }
    return { output, seconds, peakBytes: memory.stop() };
  } finally {
    memory.stop();
  }
}

/** The peak of a process's resident memory in bytes, out of its /proc status; null without one. */
export function peakOfStatus(status: string): number | null {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

/** The system keeps the peak itself, so looking now and then misses only what the last moment adds. */
function watchPeak(pid: number): { stop(): number | null } {
  let peak: number | null = null;
  const look = () => {
    try {
      peak = peakOfStatus(Deno.readTextFileSync(`/proc/${pid}/status`)) ?? peak;
    } catch {
      // Not Linux, or the process has just ended.
    }
  };
  look();
  const timer = setInterval(look, EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      return peak;
    },
  };
}

/** The line of standard error that says why: the last that starts with an error, else the last. */
export function reasonIn(errors: string): string {
  const lines = errors.split("\n").filter((line) => line.trim() !== "");
  const telling = lines.filter((line) => /^[\w.]*error\b/i.test(line)); // Deno's and Python's
  return (telling.at(-1) ?? lines.at(-1) ?? "it said nothing").trim();
}
