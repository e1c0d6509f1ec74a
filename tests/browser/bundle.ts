// The page as `deno task page` bundles it, made once for all tests of a process.
import { fileURLToPath } from "node:url";
import { readStaticFiles } from "../../commands/static_files.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
let page: Promise<unknown> | undefined;
let offlinePage: Promise<unknown> | undefined;

/** Runs the task; throws with its output where it fails. */
export async function bundlePage(): Promise<void> {
  await (page ??= deno("task", "--quiet", "page"));
}

/** The page that exports bring, likewise. */
export async function bundleOfflinePage(): Promise<void> {
  await (offlinePage ??= deno("task", "--quiet", "offline_page"));
}

/** A module with all that it imports as one script for browsers. */
export async function bundleScript(module: URL): Promise<string> {
  return await deno("bundle", "--quiet", "--platform", "browser", fileURLToPath(module));
}

async function deno(...args: string[]): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), { args, cwd: root, env: { NO_COLOR: "1" } });
  const { success, stdout, stderr } = await command.output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`deno ${args.join(" ")} failed: ${new TextDecoder().decode(stderr)}`);
}

/** The files that a server hands out, the page's among them. */
export async function pageFiles(): ReturnType<typeof readStaticFiles> {
  await bundlePage();
  return await readStaticFiles();
}
