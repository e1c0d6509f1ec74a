// Real Chromium for tests of the page: Debian's package (or any on the PATH), driven by
// playwright-core, which brings no browser of its own.
import assert from "node:assert/strict";
import {
  type Browser,
  type BrowserContext,
  chromium,
  type Locator,
  type Page,
} from "playwright-core";

const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

const switches = [
  "--headless",
  "--remote-debugging-port=0",
  "--no-sandbox", // containers have neither user namespaces
  "--disable-dev-shm-usage", // nor much shared memory
  // Without a screen a page may be taken for hidden, and then gets no frames; nor is there a GPU.
  "--disable-gpu",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
  "--disable-background-timer-throttling",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-extensions",
  "--force-color-profile=srgb",
  "--hide-scrollbars",
  "--password-store=basic",
];

/** The path of a Chromium on this machine, or undefined: tests then skip with `withoutChromium`. */
export const chromiumPath = await findChromium();
/** What a test that needs a browser adds to its name where there is none. */
export const withoutChromium = chromiumPath === undefined ? " (skipped: no chromium here)" : "";

/**
 * A browser that closes itself. Started by us and spoken to over its WebSocket: the pipe that
 * playwright's launcher uses loses a message now and then under Deno, and the test hangs.
 */
export async function openBrowser(): Promise<Browser & AsyncDisposable> {
  const profile = await Deno.makeTempDir({ prefix: "panacea-chromium-" });
  const process = new Deno.Command(chromiumPath ?? "", {
    args: [...switches, `--user-data-dir=${profile}`, "about:blank"],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = readAddress(process.stderr);
  const browser = await chromium.connectOverCDP(await said.address);
  return Object.assign(browser, {
    async [Symbol.asyncDispose]() {
      await browser.close();
      process.kill("SIGTERM");
      await Promise.all([process.status, said.ended]);
      // Its last processes may still take files out of it; what is left goes with the temporary folder.
      await Deno.remove(profile, { recursive: true }).catch(() => {});
    },
  });
}

/** The sizes that every view is tested at, in pixels: a desktop's and a phone's. */
export const windows = [{ width: 1280, height: 860 }, { width: 390, height: 844 }];

/** What a page did that no page of ours should. */
export interface Misdeeds {
  /** Errors of scripts and of the console, policy violations among them. */
  errors: string[];
  /** Addresses of other origins that were asked for. */
  offOrigin: string[];
}

/** Notes what pages of a context do wrong; requests to other origins are stopped. */
export async function watchPages(context: BrowserContext, origin: string): Promise<Misdeeds> {
  const misdeeds: Misdeeds = { errors: [], offOrigin: [] };
  await context.route((url) => isForeign(url, origin), async (route) => {
    misdeeds.offOrigin.push(route.request().url());
    await route.abort();
  });
  context.on("page", (page) => {
    page.on("pageerror", (error) => misdeeds.errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") misdeeds.errors.push(message.text());
    });
  });
  return misdeeds;
}

/** The page's width in pixels beyond its window: 0 where nothing has to be scrolled sideways. */
export async function overflow(page: Page): Promise<number> {
  const { width } = page.viewportSize() ?? { width: 0 };
  const content = await page.locator("html").evaluate((html) => html.scrollWidth);
  return Math.max(0, content - width);
}

/** Waits until a page shows this many elements: words may stand before what is drawn beside them. */
export async function assertShown(elements: Locator, count: number): Promise<void> {
  const last = elements.nth(count - 1);
  await last.waitFor({ state: "attached" }).catch(() => {}); // the count below says what is there
  assert.equal(await elements.count(), count, String(elements));
}

function isForeign(url: URL, origin: string): boolean {
  return url.origin !== origin && url.protocol !== "data:" && url.protocol !== "blob:";
}

/** The address of the WebSocket, which Chromium tells among other things; reads on to the end. */
function readAddress(
  stderr: ReadableStream<Uint8Array>,
): { address: Promise<string>; ended: Promise<void> } {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  async function read(): Promise<void> {
    const decoder = new TextDecoder();
    let text = "";
    for await (const piece of stderr) {
      text += decoder.decode(piece, { stream: true });
      const found = /DevTools listening on (ws:\S+)\s/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    }
    reject(new Error(`Chromium ended before it listened: ${text}`));
  }
  return { address: promise, ended: read() };
}

async function findChromium(): Promise<string | undefined> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    for (const name of names) {
      const path = `${folder}/${name}`;
      const found = await Deno.stat(path).then(({ isFile }) => isFile, () => false);
      if (found) return path;
    }
  }
  return undefined;
}
