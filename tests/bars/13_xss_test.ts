// Bar 13: forty hostile texts as the model's output, as names of adapters, dimensions and runs, in
// cards, messages, errors and examples, in real Chromium: no script runs and nothing is asked of
// another origin, on the page, on /docs and on /front. The browser is told to disregard our content
// security policy, so that it is the page that is safe and not only its policy; the policy has a test
// of its own.
import assert from "node:assert/strict";
import type { BrowserContext, Page } from "playwright-core";
import { NotFoundError } from "../../core/errors.ts";
import { frontCsv, frontSvg } from "../../core/front/render.ts";
import type { FrontReport } from "../../core/front/report.ts";
import type { ChatService, Service } from "../../workers/service.ts";
import { pageFiles } from "../browser/bundle.ts";
import { chromiumPath, openBrowser, watchPages, withoutChromium } from "../browser/chromium.ts";
import { pageService, stepEvent } from "../browser/page_service.ts";
import { memoryChat } from "../routes/memory_service.ts";
import { startWebServer } from "../routes/web_server.ts";
import { FOREIGN, xssPayloads } from "./xss_payloads.ts";

const ignore = chromiumPath === undefined;

Deno.test({
  name: `${xssPayloads.length} hostile texts stay texts on the page${withoutChromium}`,
  ignore,
  async fn() {
    const { service, jobs } = await hostileService();
    await using server = await startWebServer({
      service,
      chat: echo(),
      files: await pageFiles(),
    });
    await using browser = await openBrowser();
    const context = await browser.newContext({ bypassCSP: true });
    const misdeeds = await watchPages(context, server.url);
    const runs = await countScripts(context);

    // One page: browsers draw no others than the one in front.
    const page = await context.newPage();
    await page.goto(server.url);
    for (const [i, text] of xssPayloads.entries()) {
      const views = seeEverywhere(page, server.url, { text, adapter: `a${i}`, job: jobs[i] ?? "" });
      await views.catch(async (cause) => {
        const shown = await page.locator("body").innerText();
        throw new Error(`${text}: ${page.url()} shows ${shown}`, { cause });
      });
    }
    for (const view of ["runs", "adapters"]) {
      await page.goto(`${server.url}/#/${view}`);
      await page.locator(".list-row").nth(xssPayloads.length - 1).waitFor();
      await settle(page);
    }
    assert.deepEqual({ scripts: runs(), offOrigin: misdeeds.offOrigin }, {
      scripts: 0,
      offOrigin: [],
    });
  },
});

Deno.test({
  name: `hostile names stay names on /front, and /docs loads nothing else${withoutChromium}`,
  ignore,
  async fn() {
    const { service } = await hostileService();
    await using server = await startWebServer({ service, files: await pageFiles() });
    await using browser = await openBrowser();
    const context = await browser.newContext({ bypassCSP: true });
    const misdeeds = await watchPages(context, server.url);
    const runs = await countScripts(context);
    const page = await context.newPage();
    // An address typed in would give JSON; a link from a picture's place gives the picture.
    await page.route(/\/front\?adapter=a\d+$/, async (route) => {
      await route.continue({ headers: { ...route.request().headers(), accept: "image/svg+xml" } });
    });
    for (const [i, text] of xssPayloads.entries()) {
      const drawn = await page.goto(`${server.url}/front?adapter=a${i}`);
      assert.equal(drawn?.headers()["content-type"], "image/svg+xml; charset=utf-8");
      await page.locator("svg title").first().waitFor({ state: "attached" });
      await settle(page);
      const refused = await page.goto(`${server.url}/front?${query({ adapter: text })}`);
      assert.equal(refused?.status(), 400);
      await settle(page);
    }
    const elsewhere = encodeURIComponent(`${FOREIGN}/openapi.json`);
    for (
      const ending of ["", `?url=${elsewhere}`, `?configUrl=${elsewhere}`, "#/%3Cimg%20src%3Dx"]
    ) {
      await page.goto("about:blank");
      await page.goto(`${server.url}/docs${ending}`);
      await page.getByText("Panacea").first().waitFor();
      await settle(page);
    }
    assert.deepEqual({ scripts: runs(), offOrigin: misdeeds.offOrigin }, {
      scripts: 0,
      offOrigin: [],
    });
  },
});

Deno.test({
  name: `taken for HTML, the hostile texts do run and do ask elsewhere${withoutChromium}`,
  ignore,
  async fn() {
    await using server = await startWebServer({ files: await pageFiles() });
    await using browser = await openBrowser();
    const context = await browser.newContext({ bypassCSP: true });
    const misdeeds = await watchPages(context, server.url);
    const runs = await countScripts(context);
    for (const text of xssPayloads) {
      const page = await context.newPage();
      await page.goto(`${server.url}/health`);
      await page.locator("body").evaluate((body, html) => void (body.innerHTML = html), text);
      await settle(page);
      await page.close();
    }
    assert.ok(runs() >= 8, `only ${runs()} ran`);
    assert.ok(misdeeds.offOrigin.length >= 5, `only ${misdeeds.offOrigin.length} asked elsewhere`);
  },
});

Deno.test("no policy allows scripts of the document or of another origin", async () => {
  const { service } = await hostileService();
  const files = chromiumPath === undefined ? {} : await pageFiles();
  await using server = await startWebServer({ service, files });
  for (const path of ["/", "/docs", "/front?adapter=a0", "/adapters"]) {
    for (const accept of ["text/html,*/*", "image/svg+xml,*/*;q=0.1"]) {
      const response = await fetch(server.url + path, { headers: { accept } });
      await response.body?.cancel();
      const policy = response.headers.get("content-security-policy") ?? "";
      const of = (name: string) => new RegExp(`(?:^|; )${name} ([^;]*)`).exec(policy)?.[1];
      assert.match(of("script-src") ?? of("default-src") ?? "", /^'(self|none)'$/, path);
      assert.match(of("default-src") ?? "", /^'(self|none)'$/, path);
      assert.equal(response.headers.get("x-content-type-options"), "nosniff", path);
    }
  }
});

/**
 * A service whose adapters `a0`, `a1` … say a hostile text wherever a text can stand, beside others
 * that even bear one as their name; and a failed run for each.
 */
async function hostileService(): Promise<{ service: Service; jobs: string[] }> {
  const honest = await pageService();
  const tiny = await honest.getAdapter("tiny");
  const [summary] = await honest.listAdapters();
  assert.ok(summary);
  const textOf = (id: string) => {
    const text = xssPayloads[Number(id.slice(1))];
    if (/^a\d+$/.test(id) && text !== undefined) return text;
    throw new NotFoundError(`Cannot use adapter: expected another, got ${id}`);
  };
  const summaryOf = (id: string, text: string) => ({
    ...summary,
    id,
    base: text,
    dimensions: [text, `other ${text}`],
    objective: text,
    aggregation: text,
    examples: [text],
  });
  const reportOf = (text: string): FrontReport => {
    const [report] = Object.values(tiny.fronts);
    assert.ok(report);
    const dimensions = [text, `other ${text}`];
    const controls = Object.values(report.controllability);
    return {
      ...report,
      adapter: text,
      dimensions,
      verdict: text,
      controllability: Object.fromEntries(controls.map((one, i) => [dimensions[i] ?? "", one])),
      settings: { [text]: text },
    };
  };
  const jobs: string[] = [];
  for (const text of xssPayloads) {
    const { id } = await honest.createRun({ name: text });
    honest.tell(id, { type: "notice", message: text });
    honest.tell(id, { type: "progress", what: text, done: 1, total: 2 });
    honest.tell(id, { ...stepEvent(1, 2), losses: { [text]: 1 } } as ReturnType<typeof stepEvent>);
    honest.tell(id, { type: "state", state: "failed", error: text });
    jobs.push(id);
  }
  const service: Service = {
    ...honest,
    listAdapters: () =>
      Promise.resolve(
        xssPayloads.flatMap((text, i) => [summaryOf(`a${i}`, text), summaryOf(text, text)]),
      ),
    getAdapter: async (id) => {
      const text = await Promise.resolve(textOf(id));
      return {
        ...tiny,
        ...summaryOf(id, text),
        card:
          `---\nbase_model: ${text}\n---\n# ${text}\n\n${text}\n\n- ${text}\n\n| ${text} |\n| --- |\n`,
        config: { ...tiny.config, base_model: text, modules: [text] },
        fronts: { [text]: reportOf(text), final: reportOf(text) },
      };
    },
    front: async ({ adapter }) => {
      const report = await Promise.resolve(reportOf(textOf(adapter)));
      return { type: "front", report, svg: frontSvg(report), csv: frontCsv(report) };
    },
  };
  return { service, jobs };
}

/** A model that says what it was told, letter by letter. */
function echo(): ChatService {
  const chat = memoryChat({ pieces: ({ messages }) => messages.at(-1)?.content ?? "" });
  return {
    ...chat,
    chat: (request, signal) => chat.chat({ ...request, adapter: "tiny" }, signal),
  };
}

/** Counts calls of `pwned` in every frame of the context, and dialogs. */
async function countScripts(context: BrowserContext): Promise<() => number> {
  let count = 0;
  await context.exposeFunction("pwned", () => void count++);
  context.on("dialog", (dialog) => {
    count++;
    void dialog.dismiss();
  });
  return () => count;
}

/** Each view of what bears a hostile text. */
async function seeEverywhere(
  page: Page,
  origin: string,
  { text, adapter, job }: { text: string; adapter: string; job: string },
): Promise<void> {
  await seeAnswer(page, `${origin}/#/?adapter=${adapter}&${query({ question: text })}`, text);
  await page.goto(`${origin}/#/runs/${job}`);
  await page.locator(".chip.failed").waitFor();
  await page.getByText("1 message", { exact: true }).click();
  await page.goto(`${origin}/#/adapters/${adapter}`);
  await page.locator(".markdown").waitFor();
  await page.goto(`${origin}/#/adapters/${encodeURIComponent(text)}`);
  await page.getByText("Cannot show the adapter").waitFor();
  await page.goto(`${origin}/#/?${query({ adapter: text })}`);
  await page.locator(".front-panel, [role=alert]").first().waitFor();
  await settle(page);
}

/** Waits until the hostile text stands on the page, letter for letter, as the model's answer. */
async function seeAnswer(page: Page, address: string, text: string): Promise<void> {
  await page.goto(address);
  await page.locator(".front-panel").waitFor();
  await page.locator(".answer .remark").waitFor();
  assert.equal(await page.locator(".answer .text").textContent(), text);
  for (
    const folded of [
      "Use it from a program",
      "points as a table",
      "Put other fronts",
      "Measure it another way",
    ]
  ) {
    await page.getByText(folded).click();
  }
  await settle(page);
}

function query(parameters: Record<string, string>): string {
  return new URLSearchParams(parameters).toString();
}

/**
 * Until the browser has nothing left to do, or two seconds: events of elements have been told by then.
 * A text may lead the page away, and an answer about the page before may then never come.
 */
async function settle(page: Page): Promise<void> {
  const idle = page.evaluate(
    "new Promise((done) => requestAnimationFrame(() => requestIdleCallback(() => setTimeout(done))))",
  ).catch(() => {});
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) => timer = setTimeout(resolve, 2000));
  await Promise.race([idle, late]);
  clearTimeout(timer);
}
