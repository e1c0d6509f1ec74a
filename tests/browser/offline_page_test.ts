// The page beside an exported model, in Chromium: its logits are ours, its answers follow λ, and it runs
// from a static host and from the disk alike, with no address but its own.
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { readOfflinePage } from "../../commands/static_files.ts";
import { runExport } from "../../workers/export.ts";
import { randomIds } from "../core/generate/decoders.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { largestDifference } from "../near.ts";
import { ownLogits, silent, storeRandomAdapter, tell } from "../workers/export_fixture.ts";
import { bundleOfflinePage, bundleScript } from "./bundle.ts";
import {
  assertShown,
  chromiumPath,
  type Misdeeds,
  openBrowser,
  overflow,
  watchPages,
  windows,
  withoutChromium,
} from "./chromium.ts";

const fivePreferences = [[0, 1], [0.25, 0.75], [0.5, 0.5], [0.8, 0.2], [1, 0]];
const TOLERANCE = 1e-3;

function offlineTest(name: string, fn: (folder: string) => Promise<void>): void {
  Deno.test({
    name: name + withoutChromium,
    ignore: chromiumPath === undefined,
    sanitizeOps: false, // playwright keeps timers of its own
    sanitizeResources: false,
    async fn() {
      await using folder = await temporaryFolder();
      await bundleOfflinePage();
      await fn(folder.path);
    },
  });
}

/** An adapter of the built-in world, exported; its run folder's source beside. */
async function exportedModel(folder: string) {
  const run = join(folder, "gentle");
  const source = await storeRandomAdapter(run, { model: "builtin", size: 0.3 });
  const output = join(folder, "out");
  await runExport({ adapter: run, format: "onnx", output, page: readOfflinePage }, silent);
  return { source, output };
}

/** A host that only hands out files. */
async function withStaticHost(
  folder: string,
  fn: (page: Page, origin: string, misdeeds: Misdeeds) => Promise<void>,
): Promise<void> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const name = new URL(request.url).pathname.slice(1) || "index.html";
    const bytes = await Deno.readFile(join(folder, name)).catch(() => null);
    const type = name.endsWith(".html") ? "text/html" : "application/octet-stream";
    return bytes
      ? new Response(bytes, { headers: { "content-type": type } })
      : new Response(null, { status: 404 });
  });
  const origin = `http://127.0.0.1:${server.addr.port}`;
  try {
    await using browser = await openBrowser();
    const context = await browser.newContext({ viewport: windows[0] });
    const misdeeds = await watchPages(context, origin);
    await fn(await context.newPage(), origin, misdeeds);
  } finally {
    await server.shutdown();
  }
}

offlineTest("a browser gives our logits at 5 λ", async (folder) => {
  const { source, output } = await exportedModel(folder);
  const ids = randomIds(12, { seed: 3, vocabSize: 60 });
  const own = await ownLogits("builtin", source, { ids, preferences: fivePreferences });
  const script = await bundleScript(new URL("./offline_logits.ts", import.meta.url));
  await withStaticHost(output, async (page, origin) => {
    await page.route(
      `${origin}/empty.html`,
      (route) => route.fulfill({ contentType: "text/html", body: "<title>Test</title>" }),
    );
    await page.goto(`${origin}/empty.html`);
    await page.addScriptTag({ type: "module", content: script });
    const found = await page.evaluate((input) => {
      const { offlineLogits } = globalThis as unknown as {
        offlineLogits(wanted: typeof input): Promise<number[][][]>;
      };
      return offlineLogits(input);
    }, { ids, preferences: fivePreferences });
    const flat = own.flat().flatMap((row) => [...row]);
    const difference = largestDifference(found.flat(2), flat);
    const moved = largestDifference(own[0]?.at(-1) ?? [], own.at(-1)?.at(-1) ?? []);
    tell(
      `Chromium: largest logit difference at 5 λ ${
        difference.toExponential(1)
      }; λ moves logits by ${moved.toFixed(2)}`,
    );
    assert(difference < TOLERANCE, String(difference));
    assert(moved > 100 * TOLERANCE, String(moved));
  });
});

offlineTest(
  "the page answers under the slider's λ, and under each dimension alone",
  async (folder) => {
    const { output } = await exportedModel(folder);
    await withStaticHost(output, async (page, origin, misdeeds) => {
      await page.goto(`${origin}/`);
      await page.getByRole("textbox", { name: "Question" }).fill("How do I bake bread?");
      await page.getByRole("slider").fill("0.7");
      await page.getByLabel("beside it, each dimension alone").check();
      await page.getByLabel("Most tokens").fill("12");
      await page.getByLabel("Most tokens").blur();
      await page.getByRole("button", { name: "Ask" }).click();
      const answers = page.getByRole("article");
      await assertShown(answers.getByText("tokens a second"), 3);
      const names = [
        "helpful 0.70, harmless 0.30",
        "helpful 1.00, harmless 0.00",
        "helpful 0.00, harmless 1.00",
      ];
      for (const [i, name] of names.entries()) {
        assert.equal(await answers.nth(i).getAttribute("aria-label"), `Answer, λ ${name}`);
      }
      for (const window of windows) {
        await page.setViewportSize(window);
        assert.equal(await overflow(page), 0);
      }
      assert.deepEqual(misdeeds, { errors: [], offOrigin: [] });
    });
  },
);

offlineTest(
  "the page runs from the disk once its folder is chosen, and says what is missing",
  async (folder) => {
    const { output } = await exportedModel(folder);
    await using browser = await openBrowser();
    const page = await (await browser.newContext()).newPage();
    await page.goto(`file://${output}/index.html`);
    const choose = page.getByLabel(/^Choose the folder/);
    const empty = join(folder, "empty");
    await Deno.mkdir(empty);
    await Deno.writeTextFile(join(empty, "README.md"), "nothing");
    await choose.setInputFiles(empty);
    const said = page.getByRole("alert");
    await said.waitFor();
    assert.equal(
      await said.innerText(),
      "Cannot load the model: expected a file panacea_browser.json, got none.",
    );
    await choose.setInputFiles(output);
    await page.getByRole("textbox", { name: "Question" }).fill("How do I bake bread?");
    await page.getByRole("button", { name: "Ask" }).click();
    await assertShown(page.getByText("tokens a second"), 1);
  },
);
