// Lines typed on a terminal, with editing and a history; Ctrl-D ends them, Ctrl-C breaks off.
import process from "node:process";
import { createInterface } from "node:readline";

/** Where a dialogue's questions come from. */
export interface Lines {
  /** Shows a prompt and waits for a line; null when there are no more. */
  next(prompt: string): Promise<string | null>;
  /** Runs `work`, which Ctrl-C breaks off by aborting its signal. */
  breakable<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  close(): void;
}

/** Lines of standard input. Without such work, Ctrl-C ends them. */
export function openLines(): Lines {
  const output = process.stdout.isTTY ? process.stdout : process.stderr;
  const terminal = createInterface({ input: process.stdin, output });
  const typed: string[] = [];
  let closed = false;
  let wake = () => {};
  let controller: AbortController | null = null;
  terminal.on("line", (line: string) => {
    typed.push(line);
    wake();
  });
  terminal.on("close", () => {
    closed = true;
    controller?.abort();
    wake();
  });
  terminal.on("SIGINT", () => controller ? controller.abort() : terminal.close());

  return {
    async next(prompt) {
      terminal.setPrompt(prompt);
      if (!closed && typed.length === 0) terminal.prompt();
      while (!closed && typed.length === 0) await new Promise<void>((resolve) => wake = resolve);
      return typed.shift() ?? null;
    },
    async breakable(work) {
      controller = new AbortController();
      if (closed) controller.abort();
      try {
        return await work(controller.signal);
      } finally {
        controller = null;
      }
    },
    close: () => terminal.close(),
  };
}
