// Second half of `deno task page`: puts index.html (with its data block), app.css and favicon.svg
// beside the bundled app.js in routes/page/dist, from where the server takes the page.
import { z } from "zod";
import deno from "../../deno.json" with { type: "json" };
import { builtinPresets, presets, RunConfig } from "../../core/config.ts";
import { metrics } from "../../core/front/report.ts";
import { BLOCK, type PageData, type SettingSchema } from "./page_data.ts";

/** What the page is told of our schemas. */
export function pageData(): PageData {
  const { properties = {} } = z.toJSONSchema(RunConfig.omit({ output_dir: true }), { io: "input" });
  return {
    settings: properties as Record<string, SettingSchema>,
    presets: Object.fromEntries(
      Object.entries(presets).map(([name, { description, values }]) => {
        const { output_dir: _, ...rest } = values; // a run's name decides its folder
        return [name, { description, values: rest }];
      }),
    ),
    builtinPresets,
    metrics: Object.fromEntries(Object.entries(metrics).map(([name, { label }]) => [name, label])),
    version: deno.version,
  };
}

/** The page's HTML with the data block in it. */
export function fillTemplate(html: string, data: PageData): string {
  const place = `<script id="${BLOCK}" type="application/json"></script>`;
  if (!html.includes(place)) {
    throw new TypeError(`Cannot make index.html: expected ${place} in it, got none`);
  }
  // "<" would let a description end the block.
  const json = JSON.stringify(data).replaceAll("<", "\\u003c");
  const [start, end] = html.split(place);
  return start + place.replace("></", () => `>${json}</`) + end;
}

async function assemble(): Promise<void> {
  const here = (name: string) => new URL(name, import.meta.url);
  await Deno.mkdir(here("dist"), { recursive: true });
  const html = await Deno.readTextFile(here("index.html"));
  await Deno.writeTextFile(here("dist/index.html"), fillTemplate(html, pageData()));
  for (const name of ["app.css", "favicon.svg"]) {
    await Deno.copyFile(here(name), here(`dist/${name}`));
  }
}

if (import.meta.main) await assemble();
