// The real server as a process of its own: `main.ts serve` over a folder of runs, asked over
// loopback; and a stored adapter for it to serve. For the scripts beside this file.
import { fileURLToPath } from "node:url";
import { peakOfStatus } from "../process.ts";
import { root } from "../row.ts";

const START_SECONDS = 120;

/** A server that answers. */
export interface RunningServer {
  url: string; // without a slash at its end
  /** Most memory resident at once, so far; null where the system does not tell. */
  peakBytes(): number | null;
  /** Ends it as a user would, and waits. */
  stop(): Promise<void>;
}

/** Starts `main.ts serve` on the runs folder, on a free port, and waits until it is ready. */
export async function startServer({ runs }: { runs: string }): Promise<RunningServer> {
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = main(["serve", "--port", String(port), "--runs", runs]).spawn();
  const ended = child.status.then(({ code }) => {
    throw new Error(`Cannot measure the service: the server ended with code ${code}`);
  });
  ended.catch(() => {}); // it ends well after stop()
  await Promise.race([untilReady(url), ended]);
  return {
    url,
    peakBytes() {
      try {
        return peakOfStatus(Deno.readTextFileSync(`/proc/${child.pid}/status`));
      } catch {
        return null; // not Linux
      }
    },
    async stop() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

/** Trains the built-in world for a moment, and stores its front as `train` does. */
export async function storeAdapter(
  folder: string,
  settings: Record<string, unknown>,
): Promise<void> {
  const flags = Object.entries({ ...settings, output_dir: folder }).flatMap(([name, value]) => [
    `--${name}`,
    String(value),
  ]);
  const { success, code } = await main(["train", ...flags]).output();
  if (!success) throw new Error(`Cannot store an adapter: train ended with code ${code}`);
}

function main(args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "-A", "main.ts", ...args],
    cwd: fileURLToPath(root),
    stdin: "null",
    stdout: "null", // what this process prints are figures
    stderr: "inherit",
  });
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function untilReady(url: string): Promise<void> {
  const deadline = performance.now() + 1000 * START_SECONDS;
  while (performance.now() < deadline) {
    const answer = await fetch(`${url}/ready`).catch(() => null);
    await answer?.body?.cancel();
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Cannot measure the service: it was not ready within ${START_SECONDS} s`);
}
