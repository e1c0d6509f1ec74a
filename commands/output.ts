// Standard output and standard error as the commands write them: at once, so that nothing is lost
// when the process exits. Results go to standard output, everything else to standard error.

/** Where text goes, and what a progress bar asks about it. */
export interface Stream {
  readonly isTTY: boolean;
  readonly columns: number;
  write(text: string): void;
}

/** For results. */
export const standardOutput: Stream = streamTo(Deno.stdout);
/** For progress, notices and errors. */
export const standardError: Stream = streamTo(Deno.stderr);

/** Writes one result, a text or a JSON document, as lines on standard output. */
export function printResult(result: string | Record<string, unknown>): void {
  standardOutput.write(`${typeof result === "string" ? result : JSON.stringify(result)}\n`);
}

function streamTo(output: typeof Deno.stdout | typeof Deno.stderr): Stream {
  const isTTY = output.isTerminal();
  return {
    isTTY,
    get columns() {
      return isTTY ? Deno.consoleSize().columns || 80 : 80; // some terminals say 0
    },
    write(text) {
      const bytes = new TextEncoder().encode(text);
      try {
        for (let sent = 0; sent < bytes.length;) sent += output.writeSync(bytes.subarray(sent));
      } catch (error) {
        // The reader left (`… | head`): a long job must not end for that.
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      }
    },
  };
}
