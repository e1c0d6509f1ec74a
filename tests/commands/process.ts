// main.ts as a process for tests: arguments in, streams and exit code out.
const root = new URL("../../", import.meta.url);

export interface Finished {
  code: number;
  stdout: string;
  stderr: string;
}

export interface ProcessOptions {
  env?: Record<string, string>;
  /** Given stderr so far at each piece; return a signal to send it once. */
  onError?: (stderr: string) => Deno.Signal | undefined;
}

/** Runs `main.ts` with arguments to its end. */
export async function runMain(args: string[], options: ProcessOptions = {}): Promise<Finished> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", "main.ts", ...args],
    cwd: root,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let signalled = false;
  const [stdout, stderr, { code }] = await Promise.all([
    collect(child.stdout, () => {}),
    collect(child.stderr, (text) => {
      const signal = signalled ? undefined : options.onError?.(text);
      if (signal === undefined) return;
      signalled = true;
      child.kill(signal);
    }),
    child.status,
  ]);
  return { code, stdout, stderr };
}

async function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onText: (text: string) => void,
): Promise<string> {
  let text = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    text += piece;
    onText(text);
  }
  return text;
}
