// `deno task serve` as a process for tests: with the flags of its task, on a free port.
import { fileURLToPath } from "node:url";
import project from "../../deno.json" with { type: "json" };

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A server in a process of its own. */
export interface ServerProcess extends AsyncDisposable {
  url: string;
  pid: number;
  /** Standard output and standard error so far. */
  output(): { stdout: string; stderr: string };
  kill(signal: Deno.Signal): void;
  /** Its exit code. */
  readonly code: Promise<number>;
}

export interface ServerProcessOptions {
  env?: Record<string, string>;
  /** Words before `deno`: strace, unshare … */
  through?: string[];
}

/** The serve task's command line, without arguments, and the variables it sets. */
function serveCommand(): { command: string[]; env: Record<string, string> } {
  const words = project.tasks.serve.command.split(" ");
  const run = words.indexOf("run");
  const settings = words.slice(0, run).filter((word) => word.includes("="));
  return {
    command: [Deno.execPath(), "run", "--no-check", ...words.slice(run + 1)],
    env: Object.fromEntries(settings.map((setting) => setting.split("="))),
  };
}

/** Starts a server on `runs` and waits until it listens; throws with its words where it does not. */
export async function startServerProcess(
  runs: string,
  args: string[] = [],
  { env = {}, through = [] }: ServerProcessOptions = {},
): Promise<ServerProcess> {
  const task = serveCommand();
  const [program = "", ...rest] = [...through, ...task.command];
  const child = new Deno.Command(program, {
    args: [...rest, "--port", "0", "--runs", runs, ...args],
    cwd: root,
    env: { NO_COLOR: "1", ...task.env, ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const said = { stdout: "", stderr: "" };
  const listening = Promise.withResolvers<string>();
  const reading = Promise.all([
    collect(child.stdout, (text) => {
      said.stdout = text;
      const url = /http:\/\/[^\s"]+/.exec(text)?.[0];
      if (url !== undefined) listening.resolve(url);
    }),
    collect(child.stderr, (text) => said.stderr = text),
  ]);
  const code = reading.then(() => child.status).then((status) => status.code);
  code.then((code) =>
    listening.reject(new Error(`The server ended with ${code}: ${said.stdout}${said.stderr}`))
  );
  const kill = (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended already
    }
  };
  return {
    url: await listening.promise,
    pid: child.pid,
    output: () => ({ ...said }),
    kill,
    code,
    async [Symbol.asyncDispose]() {
      kill("SIGKILL");
      await code;
    },
  };
}

async function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onText: (text: string) => void,
): Promise<void> {
  let text = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) onText(text += piece);
}
