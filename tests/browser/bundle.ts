// The page as `deno task page` bundles it, made once for all tests of a process.
import { fileURLToPath } from "node:url";
import { readStaticFiles } from "../../commands/static_files.ts";

let made: Promise<void> | undefined;

/** Runs the task; throws with its output where it fails. */
export function bundlePage(): Promise<void> {
  return made ??= (async () => {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "--quiet", "page"],
      cwd: fileURLToPath(new URL("../../", import.meta.url)),
      env: { NO_COLOR: "1" },
    }).output();
    if (!success) throw new Error(`deno task page failed: ${new TextDecoder().decode(stderr)}`);
  })();
}

/** The files that a server hands out, the page's among them. */
export async function pageFiles(): ReturnType<typeof readStaticFiles> {
  await bundlePage();
  return await readStaticFiles();
}
