// Starts child.ts as a process of its own and reads what it reports.
const script = new URL("./child.ts", import.meta.url).href;

/** Arguments to `deno` that run child.ts in a role. */
export function childArguments(...args: string[]): string[] {
  return ["run", "--no-check", "--quiet", "-A", script, ...args];
}

/** A running child: its next line (null at the end), what it is told, how it ends. */
export interface Child {
  pid: number;
  nextLine(): Promise<string | null>;
  tell(line: string): Promise<void>;
  kill(): void;
  /** Closes its input, reads the rest of its lines and waits for its end. */
  finish(): Promise<{ lines: string[]; code: number }>;
}

export function startChild(...args: string[]): Child {
  const process = new Deno.Command(Deno.execPath(), {
    args: childArguments(...args),
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const writer = process.stdin.getWriter();
  let buffer = "";
  async function nextLine(): Promise<string | null> {
    for (;;) {
      const end = buffer.indexOf("\n");
      if (end >= 0) {
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + 1);
        return line;
      }
      const { value, done } = await reader.read();
      if (done) return null;
      buffer += value;
    }
  }
  return {
    pid: process.pid,
    nextLine,
    tell: (line) => writer.write(new TextEncoder().encode(line + "\n")),
    kill: () => process.kill("SIGKILL"),
    async finish() {
      await writer.close().catch(() => {});
      const lines: string[] = [];
      for (let line = await nextLine(); line !== null; line = await nextLine()) lines.push(line);
      return { lines, code: (await process.status).code };
    },
  };
}
