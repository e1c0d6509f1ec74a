// The page in real Chromium, over the real web Worker: every view at the sizes and themes that it is
// made for, and what its controls do. PANACEA_SCREENSHOTS names a folder to keep the pictures in.
import assert from "node:assert/strict";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import type { ChatRequest } from "../../workers/service.ts";
import { memoryChat, type MemoryService } from "../routes/memory_service.ts";
import { startWebServer, type WebServer, type WebServerOptions } from "../routes/web_server.ts";
import { addAxe, findViolations } from "./axe.ts";
import { pageFiles } from "./bundle.ts";
import {
  assertShown,
  chromiumPath,
  openBrowser,
  overflow,
  watchPages,
  windows,
  withoutChromium,
} from "./chromium.ts";
import { pageService, stepEvent } from "./page_service.ts";

const pictures = Deno.env.get("PANACEA_SCREENSHOTS");
const ignore = chromiumPath === undefined;
const desktop = { viewport: windows[0] };
const QUESTION = "How do I boil an egg?";

/** Each view, how its address ends, and what it has to show. */
const views: [name: string, hash: string, ready: (page: Page) => Promise<unknown>][] = [
  ["front", "#/?adapter=tiny", (page) => page.locator(".front-panel").waitFor()],
  [
    "chat",
    `#/?adapter=tiny&preference=0.7,0.3&question=${encodeURIComponent(QUESTION)}`,
    (page) => page.getByText("with 42 seed").waitFor(),
  ],
  [
    "compare",
    "#/?adapter=tiny&preference=1,0&preference=0.5,0.5&preference=0,1&question=Why%3F",
    (page) => page.getByText("with 42 seed").nth(2).waitFor(),
  ],
  [
    "beside",
    "#/?adapter=tiny&beside=other%2F0&beside=growth",
    (page) => page.getByRole("button", { name: "Measure its checkpoints" }).waitFor(),
  ],
  ["triangle", "#/?adapter=three", (page) => page.locator(".front-panel").nth(2).waitFor()],
  [
    "unmeasured",
    "#/?adapter=0",
    (page) => page.getByRole("button", { name: "Measure the front" }).waitFor(),
  ],
  ["missing", "#/?adapter=gone", (page) => page.getByText("There is no adapter named").waitFor()],
  ["runs", "#/runs", (page) => page.getByRole("link", { name: "made", exact: true }).waitFor()],
  ["run", "#/runs/RUN", (page) => page.getByText("Step", { exact: true }).waitFor()],
  [
    "form",
    "#/runs/new",
    async (page) => {
      await page.getByText("Advanced settings").click();
      await page.getByLabel("adam_epsilon").waitFor();
    },
  ],
  ["adapters", "#/adapters", (page) => page.getByRole("link", { name: "three" }).waitFor()],
  ["adapter", "#/adapters/tiny", (page) => page.getByText("Card of an adapter").waitFor()],
];

Deno.test({
  name: `every view is clean, fits its window and asks nobody else${withoutChromium}`,
  ignore,
  async fn(t) {
    const service = await pageService();
    const run = await startRun(service, "made");
    await using server = await startWebServer({ service, files: await pageFiles() });
    await using browser = await openBrowser();
    for (const viewport of windows) {
      const context = await browser.newContext({ viewport });
      await addAxe(context);
      const misdeeds = await watchPages(context, server.url);
      for (const [name, hash, ready] of views) {
        await t.step(`${name} at ${viewport.width} pixels`, async () => {
          const page = await context.newPage();
          await page.goto(`${server.url}/${hash.replace("RUN", run)}`);
          await ready(page);
          assert.equal(await overflow(page), 0, "the page is wider than its window");
          for (const colorScheme of ["light", "dark"] as const) {
            await page.emulateMedia({ colorScheme });
            if (pictures !== undefined) {
              const path = `${pictures}/${name}-${viewport.width}-${colorScheme}.png`;
              await page.screenshot({ path, fullPage: true });
            }
            assert.deepEqual(await findViolations(page), [], colorScheme);
          }
          await page.close();
        });
      }
      assert.deepEqual(misdeeds, { errors: [], offOrigin: [] });
      await context.close();
    }
  },
});

Deno.test({
  name: `moving λ asks the question again, and the address holds it all${withoutChromium}`,
  ignore,
  async fn() {
    const chat = memoryChat();
    await using opened = await openPage("#/?adapter=tiny", { chat });
    const { page } = opened;
    await page.getByRole("button", { name: QUESTION }).click();
    await page.getByText("under [0.5,0.5] with 42 seed").waitFor();

    await page.getByRole("slider").press("ArrowRight");
    await page.getByText("under [0.51,0.49] with 42 seed").waitFor();
    await page.getByRole("slider").press("End");
    await page.getByText("under [1,0] with 42 seed").waitFor();

    // The measured points are one stop of the tab key, and the arrow keys go along the front.
    await page.getByRole("listbox").getByRole("option", { selected: true }).focus();
    await page.keyboard.press("ArrowLeft");
    await page.getByText("under [0.75,0.25] with 42 seed").waitFor();
    assert.match(
      await page.locator(":focus").getAttribute("aria-label") ?? "",
      /^λ helpful 0\.75, harmless 0\.25: implicit-reward accuracy helpful 0\.750/,
    );
    await page.locator(".front-point").first().click();
    await page.getByText("under [0,1] with 42 seed").waitFor();

    // Between two points the line itself is a choice.
    const from = await boxOf(page, 0);
    const to = await boxOf(page, 1);
    await page.mouse.click((from.x + to.x) / 2, (from.y + to.y) / 2);
    await page.getByText(/under \[0\.1[23],0\.8[78]\] with 42 seed/).waitFor();

    await page.getByText("Sampling:").click();
    await page.getByLabel("Seed").fill("7");
    await page.getByLabel("Seed").press("Enter");
    await page.getByText("with 7 seed").waitFor();
    await page.waitForURL(/seed=7/);

    const again = await page.context().newPage();
    await again.goto(page.url());
    await again.getByText("with 7 seed").waitFor();
    assert.equal(
      await again.locator(".answer .text").textContent(),
      await page.locator(".answer .text").textContent(),
    );
    const [first, last] = [chat.asked.at(-2), chat.asked.at(-1)];
    assert.deepEqual(last, first, "the link asks the same");
  },
});

Deno.test({
  name: `answers stream, stop, go on as a dialogue and stand side by side${withoutChromium}`,
  ignore,
  async fn() {
    const gate = makeGate();
    const chat = memoryChat({ pace: gate.pass });
    await using opened = await openPage("#/?adapter=tiny", { chat });
    const { page } = opened;
    await page.getByLabel("Question", { exact: true }).fill("First?");
    await page.getByLabel("Question", { exact: true }).press("Enter");
    gate.let(2);
    await page.getByText("You said").waitFor();
    assert.equal(await page.locator(".answer .text").textContent(), "You said ");
    await assertShown(page.locator("[aria-live][aria-busy=true]"), 1);

    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("Stopped.").waitFor();
    assert.equal(await page.locator(".answer .text").textContent(), "You said ");
    gate.open();
    await until(() => chat.running === 0);

    await page.getByRole("button", { name: "Ask again" }).click();
    await page.getByText('"First?" under').waitFor();
    await page.getByLabel("Question", { exact: true }).fill("Second?");
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await page.getByText('"Second?" under').waitFor();
    assert.deepEqual(contents(chat.asked.at(-1)), [
      "First?",
      'You said "First?" under [0.5,0.5] with 42 seed',
      "Second?",
    ]);

    // Two more λ: both ask on their own, and a question goes to all at the same time.
    await page.getByRole("button", { name: "Compare another λ" }).click();
    await page.getByRole("button", { name: "Compare another λ" }).click();
    await page.getByText("under [0,1] with 42 seed").waitFor();
    gate.close();
    const before = chat.asked.length;
    await page.getByLabel("Question", { exact: true }).fill("Third?");
    await page.getByLabel("Question", { exact: true }).press("Enter");
    await until(() => chat.running === 3);
    const asked = chat.asked.slice(before);
    assert.deepEqual(asked.map(({ preference }) => preference), [[0.5, 0.5], [1, 0], [0, 1]]);
    assert.deepEqual(asked.map(({ seed }) => seed), [42, 42, 42]);
    for (const request of asked) assert.deepEqual(contents(request), ["Third?"]);
    gate.open();
    await page.getByText('"Third?" under').nth(2).waitFor();

    await page.getByRole("button", { name: "Remove answer A" }).click();
    assert.equal(await page.locator(".answer").count(), 2);
    await page.getByRole("button", { name: "New question" }).click();
    assert.equal(await page.locator(":focus").getAttribute("id"), "question");
  },
});

Deno.test({
  name: `λ of three dimensions moves in the triangle and by its sliders${withoutChromium}`,
  ignore,
  async fn() {
    await using opened = await openPage("#/?adapter=three&preference=0.2,0.2,0.6");
    const { page } = opened;
    const weights = page.locator(".weights output");
    await weights.first().waitFor();
    await shows(weights, ["0.20", "0.20", "0.60"]);
    await page.getByRole("slider", { name: "helpful", exact: true }).press("End");
    await shows(weights, ["1.00", "0.00", "0.00"]);

    const triangle = page.locator(".triangle");
    const box = await triangle.boundingBox();
    assert.ok(box);
    const corner = { x: box.width * (228 / 260), y: box.height * (196 / 236) };
    await triangle.click({ position: corner });
    await shows(weights, ["0.00", "0.00", "1.00"]);
    await page.getByRole("slider", { name: /arrow keys/ }).press("ArrowLeft");
    await shows(weights, ["0.00", "0.02", "0.98"]);

    await page.getByRole("button", { name: "Parallel axes" }).click();
    await page.locator(".front-path").first().focus();
    await page.keyboard.press("ArrowDown");
    await shows(weights, ["0.00", "0.25", "0.75"]);
  },
});

Deno.test({
  name: `a run starts from the form, grows its curves, is cancelled and goes on${withoutChromium}`,
  ignore,
  async fn() {
    await using opened = await openPage("#/runs/new");
    const { page, service } = opened;

    await page.getByLabel("max_steps").fill("2.5");
    await page.getByRole("button", { name: "Start the run" }).click();
    await page.getByText("max_steps must be a whole number of at least 0.").waitFor();
    assert.equal(await page.locator(":focus").getAttribute("id"), "setting-max_steps");

    await page.getByLabel("max_steps").fill("20");
    await page.getByLabel("Name", { exact: true }).fill("tiny");
    await page.getByRole("button", { name: "Start the run" }).click();
    await page.getByText('Cannot start run: expected a new name, got "tiny".').waitFor();
    await page.getByLabel("Name", { exact: true }).fill("fresh");
    await page.getByText("Advanced settings").click();
    await page.getByLabel("aggregation").selectOption("tche");
    await page.getByRole("button", { name: "Start the run" }).click();
    await page.getByRole("heading", { name: "fresh" }).waitFor();
    const [job] = await service.listJobs();
    assert.ok(job);
    assert.deepEqual(job.request, { name: "fresh", max_steps: 20, aggregation: "tche" });

    service.tell(job.id, { type: "state", state: "running", error: null });
    for (let step = 1; step <= 5; step++) service.tell(job.id, stepEvent(step, 20));
    await page.getByText("5 of 20", { exact: true }).waitFor();
    await page.getByText("steps: 5 of 20, about 15 s left").waitFor();
    await assertShown(page.locator(".curve .mean"), 5); // 3 losses, 2 accuracies
    service.tell(job.id, stepEvent(6, 20));
    await page.getByText("6 of 20", { exact: true }).waitFor();

    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("Cancelled", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByText("Queued", { exact: true }).waitFor();
    service.tell(job.id, { type: "state", state: "running", error: null });
    service.tell(job.id, stepEvent(7, 20));
    await page.getByText("7 of 20", { exact: true }).waitFor();
    service.tell(job.id, { type: "state", state: "failed", error: "Cannot go on: disk full" });
    await page.getByText("Cannot go on: disk full.").waitFor();
  },
});

Deno.test({
  name:
    `a front is measured when asked for, and an adapter deleted when confirmed${withoutChromium}`,
  ignore,
  async fn() {
    await using opened = await openPage("#/?adapter=0");
    const { page, service } = opened;
    await page.getByRole("button", { name: "Measure the front" }).click();
    await page.getByText("Waiting for the job before it").waitFor();
    const [job] = await service.listJobs();
    assert.ok(job?.kind === "front");
    service.tell(job.id, { type: "state", state: "running", error: null });
    service.tell(job.id, { type: "progress", what: "preference vectors", done: 3, total: 11 });
    await page.getByText("preference vectors: 3 of 11").waitFor();
    service.tell(job.id, { type: "state", state: "done", error: null });
    await page.locator(".front-panel").waitFor();

    await page.goto(`${opened.server.url}/#/adapters/three`);
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("button", { name: "Keep it" }).click();
    assert.equal((await service.listAdapters()).length, 3);
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("button", { name: "Delete it" }).click();
    await page.getByRole("heading", { name: "Adapters" }).waitFor();
    assert.equal(await page.getByRole("link", { name: "three" }).count(), 0);
    assert.equal((await service.listAdapters()).length, 2);
  },
});

Deno.test({
  name: `fronts of other adapters stand on the same axes, measured alike first${withoutChromium}`,
  ignore,
  async fn() {
    await using opened = await openPage("#/?adapter=tiny");
    const { page, service } = opened;
    await page.getByText("Put other fronts beside it").click();
    await page.getByLabel("0", { exact: true }).check();
    await page.getByText("0 has no front of the same measure.").waitFor();
    await page.getByRole("button", { name: "Measure 0 the same way" }).click();
    await page.getByText("Waiting for the job before it").waitFor();
    const [job] = await service.listJobs();
    assert.ok(job);
    // Asked for as the front on show was measured.
    assert.deepEqual({ adapter: job.adapter, grid: job.request.grid, seed: job.request.seed }, {
      adapter: "0",
      grid: 5,
      seed: 42,
    });
    assert.equal(job.request.metric, "implicit_accuracy");
    service.tell(job.id, { type: "state", state: "done", error: null });
    await page.locator(".other-front .line").waitFor();
    assert.equal(await page.locator("svg.front-panel").count(), 1, "one pair of axes for both");
    const own = await page.locator(".front-point").count();
    assert.equal(await page.locator(".front-panel .other-front path:not(.line)").count(), own);
    // On this front every value is nine tenths of the other's: its end lies inside, to the left.
    const legend = page.getByRole("list", { name: "Legend" });
    await legend.getByText("0", { exact: true }).waitFor();
    await legend.getByText("tiny, λ: harmless to helpful").waitFor();
    const end = await page.locator(".front-point").last().boundingBox();
    const other = await page.locator(".front-panel .other-front path:not(.line)").last()
      .boundingBox();
    assert.ok(end && other && other.x < end.x, "nine tenths lie left of the whole");
    assert.ok(Math.abs(other.y - end.y) < 12, "and both ends on the axis");
    if (pictures !== undefined) {
      await page.screenshot({ path: `${pictures}/beside.png`, fullPage: true });
    }

    // The address holds it: another window shows the same two fronts.
    await page.waitForURL(/beside=other%2F0/);
    const again = await opened.browser.newPage(desktop);
    await again.goto(page.url());
    await again.locator(".other-front .line").waitFor();
  },
});

Deno.test({
  name: `a front by rewards shows how they are spread, and how it grew${withoutChromium}`,
  ignore,
  async fn() {
    await using opened = await openPage("#/adapters/tiny");
    const { page, service } = opened;
    await page.getByText("Measure it another way").click();
    await page.getByLabel("Values").selectOption("reward");
    await page.getByLabel("Reward model").fill("builtin");
    await page.getByLabel("Grid").fill("1");
    await page.getByRole("button", { name: "Measure", exact: true }).click();
    await page.getByText(/grid/).and(page.getByRole("alert")).waitFor(); // refused by name
    await page.getByLabel("Grid").fill("9");
    await page.getByRole("button", { name: "Measure", exact: true }).click();
    await page.getByText("Waiting for the job before it").waitFor();
    const [job] = await service.listJobs();
    assert.ok(job);
    assert.equal(job.request.reward_model, "builtin");
    service.tell(job.id, { type: "state", state: "done", error: null });
    await page.getByText("helpful (mean reward) →").waitFor();
    await page.locator("path.initial").first().waitFor();
    await page.getByText("How the rewards are spread").click();
    await page.locator("svg.distributions").nth(1).waitFor();
    // Nine λ and the model without adapter, for each of two dimensions.
    await assertShown(page.locator(".histogram"), 20);
    assert.match(
      await page.locator("svg.distributions").first().getAttribute("aria-label") ?? "",
      /^Rewards of helpful: without adapter median 0\.150; λ helpful 0\.00, harmless 1\.00 median/,
    );

    await page.getByText("Put other fronts beside it").click();
    await page.getByLabel("how this front grew over its training").check();
    await page.getByRole("button", { name: "Measure its checkpoints" }).click();
    await page.getByText("Waiting for the job before it").waitFor();
    for (const { id } of await service.listJobs()) {
      service.tell(id, { type: "state", state: "done", error: null });
    }
    await page.getByRole("list", { name: "Legend" }).getByText("step 5").waitFor();
    await assertShown(page.locator(".front-panel .other-front .line"), 1);
    if (pictures !== undefined) {
      await page.screenshot({ path: `${pictures}/rewards.png`, fullPage: true });
    }
  },
});

Deno.test({
  name: `a key that the server wants is asked for once and kept in the tab${withoutChromium}`,
  ignore,
  async fn() {
    await using opened = await openPage("#/?adapter=tiny&question=Why%3F", {
      apiKey: "right-key",
    });
    const { page } = opened;
    await page.getByLabel("Key", { exact: true }).fill("wrong-key");
    await page.getByRole("button", { name: "Use this key" }).click();
    await page.getByText("The server refused this key.").waitFor();
    await page.getByLabel("Key", { exact: true }).fill("right-key");
    await page.getByRole("button", { name: "Use this key" }).click();
    await page.locator(".front-panel").waitFor();
    await page.getByText("with 42 seed").waitFor();
    assert.equal(await page.getByRole("dialog").count(), 0);
    await page.reload();
    await page.getByText("with 42 seed").waitFor();
    await page.getByText("Use it from a program").click();
    await page.getByText("Bearer $PANACEA_API_KEY").waitFor();
    assert.equal(await page.getByText("right-key").count(), 0);
  },
});

Deno.test({
  name: `what goes wrong is said where it belongs${withoutChromium}`,
  ignore,
  async fn() {
    const chat = memoryChat({ queue: 0 });
    await using opened = await openPage("#/?adapter=tiny&question=Why%3F", { chat });
    const { page, server } = opened;
    await page.getByText("Cannot chat: the queue is full. Try again in 3 s.").waitFor();
    await page.goto(`${server.url}/#/runs/none`);
    await page.getByText('Cannot find job: expected one, got "none".').waitFor();
    await server[Symbol.asyncDispose]();
    await page.getByRole("link", { name: "Adapters" }).click();
    await page.getByText("The server does not answer. Is it still running?").waitFor();
  },
});

Deno.test({
  name: `the theme is the system's until the user chooses, then it stays${withoutChromium}`,
  ignore,
  async fn() {
    await using opened = await openPage("#/?adapter=tiny", { colorScheme: "dark" });
    const { page } = opened;
    const theme = () => page.locator("html").getAttribute("data-theme");
    await page.locator(".front-panel").waitFor();
    assert.equal(await theme(), "dark");
    await page.getByRole("button", { name: "Use the light theme" }).click();
    assert.equal(await theme(), "light");
    await page.reload();
    await page.locator(".front-panel").waitFor();
    assert.equal(await theme(), "light");
  },
});

interface Opened extends AsyncDisposable {
  page: Page;
  browser: Browser;
  server: WebServer;
  service: MemoryService;
}

/** The view at `hash` in a window of a desktop's size, over a server of its own. */
async function openPage(
  hash: string,
  { colorScheme = "light", ...server }:
    & Pick<WebServerOptions, "chat" | "apiKey">
    & Pick<BrowserContextOptions, "colorScheme"> = {},
): Promise<Opened> {
  await using stack = new AsyncDisposableStack();
  const service = await pageService();
  const files = await pageFiles();
  const started = stack.use(await startWebServer({ ...server, service, files }));
  const browser = stack.use(await openBrowser());
  const context = await browser.newContext({ ...desktop, colorScheme });
  const page = await context.newPage(); // others of the same context may follow
  await page.goto(`${started.url}/${hash}`);
  const owned = stack.move();
  return {
    ...{ page, browser, server: started, service },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A training run that has made a few steps. */
async function startRun(service: MemoryService, name: string): Promise<string> {
  const { id } = await service.createRun({ name });
  service.tell(id, { type: "state", state: "running", error: null });
  service.tell(id, { type: "notice", message: "12 of 4000 pairs left out" });
  for (let step = 1; step <= 30; step++) service.tell(id, stepEvent(step, 40));
  return id;
}

/** What each message of a request says. */
function contents(request: ChatRequest | undefined): string[] {
  return (request?.messages ?? []).map(({ content }) => content);
}

async function boxOf(page: Page, index: number): Promise<{ x: number; y: number }> {
  const box = await page.locator(".front-point").nth(index).boundingBox();
  assert.ok(box);
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** Pieces of text wait at a gate: some may pass, all, or none. */
function makeGate() {
  let free = 0;
  let waiting: (() => void)[] = [];
  function release(): void {
    while (free > 0 && waiting.length > 0) {
      free--;
      waiting.shift()?.();
    }
  }
  return {
    pass: () =>
      new Promise<void>((resolve) => {
        waiting.push(resolve);
        release();
      }),
    let(count: number) {
      free += count;
      release();
    },
    open() {
      free = Infinity;
      release();
    },
    close() {
      free = 0;
      waiting = [];
    },
  };
}

/** Waits until elements show these texts. */
async function shows(elements: Locator, wanted: string[]): Promise<void> {
  await until(async () => (await elements.allTextContents()).join() === wanted.join());
}

/** Waits for what neither an event nor a wait of the browser tells. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!await condition()) {
    assert.ok(performance.now() < deadline, "it did not come to pass");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
