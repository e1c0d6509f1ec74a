// The files that the server hands out as they are: the bundled page and Swagger UI. They are read
// once and go to the web Worker as bytes, which may read no file itself.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/** Files by the path they are served at; without a bundle (`deno task page`) there is no page. */
export async function readStaticFiles(): Promise<
  Record<string, { type: string; bytes: Uint8Array }>
> {
  const page = new URL("../routes/page/dist/", import.meta.url);
  const places = new Map(
    (await filesIn(page)).map((name) => [
      name === "index.html" ? "/" : `/${name}`,
      new URL(name, page),
    ]),
  );
  const entry = createRequire(import.meta.url).resolve("swagger-ui-dist/package.json");
  for (const name of ["swagger-ui-bundle.js", "swagger-ui.css"]) {
    places.set(`/docs/${name}`, new URL(name, pathToFileURL(entry)));
  }
  return Object.fromEntries(
    await Promise.all([...places].map(async ([path, url]) => {
      return [path, { type: typeOf(url.pathname), bytes: await Deno.readFile(url) }];
    })),
  );
}

/** The page that runs an exported model, by file name; nothing without `deno task offline_page`. */
export async function readOfflinePage(): Promise<Record<string, Uint8Array>> {
  const folder = new URL("../routes/page/offline/dist/", import.meta.url);
  const files = await filesIn(folder);
  return Object.fromEntries(
    await Promise.all(
      files.map(async (name) => [name, await Deno.readFile(new URL(name, folder))]),
    ),
  );
}

/** Names of the files in a folder; none where it is missing. */
async function filesIn(folder: URL): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.filter(({ isFile }) => isFile).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

const types: Record<string, string> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  map: "application/json",
  svg: "image/svg+xml",
};

function typeOf(path: string): string {
  return types[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
}
