// Last part of `deno task offline_page`: one index.html with look and scripts inside, so that it opens
// from the disk too, and ONNX Runtime's WebAssembly beside it. `export --format onnx` takes both along.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const RUNTIME = "ort-wasm-simd-threaded.wasm";

/** The page with `parts` as the contents of its elements of these ids. */
export function fillPage(html: string, parts: Record<string, string>): string {
  return Object.entries(parts).reduce((page, [id, content]) => {
    const place = new RegExp(`(<(script|style) id="${id}"[^>]*>)(</\\2>)`);
    if (!place.test(page)) {
      throw new TypeError(`Cannot make the page: expected an element ${id} in it, got none`);
    }
    // Only the end tag would end a script or style early; in text of either, the bar changes nothing.
    const safe = content.replace(/<\/(?=script|style)/gi, "<\\/").replaceAll("<!--", "<\\!--");
    return page.replace(place, (_, start, __, end) => start + safe + end);
  }, html);
}

/**
 * A bundled module as a script that is none: browsers start no module in a Worker of a page from the
 * disk. Its address is the Worker's own.
 */
function asClassicScript(module: string): string {
  return `(() => {${module.replaceAll("import.meta.url", "self.location.href")}})();`;
}

async function assemble(): Promise<void> {
  const here = (name: string) => new URL(name, import.meta.url);
  const read = (name: string) => Deno.readTextFile(here(name));
  const page = fillPage(await read("index.html"), {
    style: await read("../app.css") + await read("offline.css"),
    "model-worker": asClassicScript(await read("dist/model_worker.js")),
    script: await read("dist/app.js"),
  });
  await Deno.writeTextFile(here("dist/index.html"), page);
  const entry = pathToFileURL(createRequire(import.meta.url).resolve("onnxruntime-web/wasm"));
  await Deno.copyFile(new URL(RUNTIME, entry), here(`dist/${RUNTIME}`));
  for (const name of ["app.js", "model_worker.js"]) await Deno.remove(here(`dist/${name}`));
}

if (import.meta.main) await assemble();
