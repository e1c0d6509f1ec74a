// What a new user does, in real Chromium over the real server from an empty folder: trains the
// built-in world from the form, sees its front, moves λ, reads an answer.
import assert from "node:assert/strict";
import { startServerProcess } from "../commands/server_process.ts";
import { bundlePage } from "./bundle.ts";
import {
  assertShown,
  chromiumPath,
  openBrowser,
  watchPages,
  windows,
  withoutChromium,
} from "./chromium.ts";

const STEPS = 6;
const TRAINING_MS = 300_000; // on WebAssembly alone

Deno.test({
  name: `a new user trains, sees the front, moves λ and is answered${withoutChromium}`,
  ignore: chromiumPath === undefined,
  async fn() {
    await bundlePage();
    const runs = await Deno.makeTempDir({ prefix: "panacea-page-" });
    try {
      await using server = await startServerProcess(runs);
      await using browser = await openBrowser();
      const [viewport] = windows;
      const context = await browser.newContext({ viewport });
      const misdeeds = await watchPages(context, server.url);
      const page = await context.newPage();
      await page.goto(server.url);
      await page.getByRole("button", { name: "Train the built-in world" }).waitFor();

      await page.getByRole("link", { name: "Use my own model and data" }).click();
      await page.getByLabel("max_steps").fill(String(STEPS));
      await page.getByRole("button", { name: "Start the run" }).click();
      await page.getByRole("heading", { name: "builtin" }).waitFor();
      await page.locator(".chip.done, .chip.failed").waitFor({ timeout: TRAINING_MS });
      assert.equal(await page.locator(".chip").textContent(), "Done", server.output().stderr);
      await page.getByText(`${STEPS} of ${STEPS}`, { exact: true }).waitFor();
      const open = page.getByRole("button", { name: "See the front and chat" });
      await assertShown(page.locator(".curve .mean"), 5); // 3 losses, 2 accuracies
      await open.click();

      await page.getByText("exact front").waitFor();
      await assertShown(page.locator(".front-point"), 11);
      await page.locator(".example").first().click();
      await page.getByText(/^\d+ tokens?$/).waitFor();
      // The last of the questions that moving λ asks.
      const asked = page.waitForResponse((response) =>
        response.url() === `${server.url}/chat` &&
        response.request().postDataJSON().preference.join() === "1,0"
      );
      // A press, a move in several steps, and a release: the answer follows on the way.
      const slider = page.getByRole("slider");
      const box = await slider.boundingBox();
      assert.ok(box);
      await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width - 2, box.y + box.height / 2, { steps: 5 });
      await page.mouse.up();
      await page.getByText("λ = helpful 1.00, harmless 0.00", { exact: true }).waitFor();
      await page.waitForURL(/preference=1,0/);
      await asked;
      await page.getByText(/^\d+ tokens?$/).waitFor(); // gone from the asking to the end
      assert.notEqual(await page.locator(".answer .text").textContent(), "");
      assert.deepEqual(misdeeds, { errors: [], offOrigin: [] });
    } finally {
      await Deno.remove(runs, { recursive: true });
    }
  },
});
