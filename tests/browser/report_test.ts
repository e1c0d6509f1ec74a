// The report of a reproduction in real Chromium, opened from its file: whole, accessible and readable
// at a desktop's and a phone's size, light and dark. PANACEA_SCREENSHOTS keeps pictures.
import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { reportHtml } from "../../core/report/html.ts";
import { composeReport } from "../../core/report/report.ts";
import { syntheticResults } from "../core/report/fixture.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { addAxe, findViolations } from "./axe.ts";
import {
  chromiumPath,
  openBrowser,
  overflow,
  watchPages,
  windows,
  withoutChromium,
} from "./chromium.ts";

const pictures = Deno.env.get("PANACEA_SCREENSHOTS");

Deno.test({
  name: `the report opens without a network, is clean and fits its window${withoutChromium}`,
  ignore: chromiumPath === undefined,
  async fn() {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "report.html");
    await Deno.writeTextFile(path, reportHtml(composeReport(syntheticResults())));
    await using browser = await openBrowser();
    for (const viewport of windows) {
      for (const colorScheme of ["light", "dark"] as const) {
        const context = await browser.newContext({ viewport, colorScheme, offline: true });
        const misdeeds = await watchPages(context, "null"); // the origin of files
        await addAxe(context);
        const page = await context.newPage();
        await page.goto(pathToFileURL(path).href);
        const where = `${viewport.width} ${colorScheme}`;
        assert.equal(await overflow(page), 0, `${where}: has to be scrolled sideways`);
        assert.deepEqual(await findViolations(page), [], where);
        assert.deepEqual(misdeeds, { errors: [], offOrigin: [] }, where);
        const shown = page.locator(".picture:visible");
        assert.equal(await shown.count(), 8, `${where}: every picture once`);
        // Letters as they appear on the screen, in pixels: no smaller than a footnote.
        const smallest = await page.locator("figure").evaluateAll((figures) =>
          Math.min(
            ...figures.flatMap((figure) =>
              [...figure.querySelectorAll("svg")].flatMap((svg) => {
                const width = svg.getBoundingClientRect().width;
                return width === 0 ? [] : [13 * width / Number(svg.getAttribute("width"))];
              })
            ),
          )
        );
        assert.ok(smallest >= 11, `${where}: letters of ${smallest} pixels`);
        if (pictures) {
          const name = `report-${viewport.width}-${colorScheme}.png`;
          await page.screenshot({ path: join(pictures, name), fullPage: true });
        }
        await context.close();
      }
    }
  },
});
