import assert from "node:assert/strict";
import { openScreen } from "../../commands/terminal.ts";
import type { SessionEvent, StepEvent } from "../../workers/protocol.ts";

const step: StepEvent = {
  type: "step",
  step: 37,
  steps: 200,
  loss: 0.645,
  losses: { helpful: 0.63, harmless: 0.66 },
  accuracies: { helpful: 0.61, harmless: 0.58 },
  learningRate: 1e-3,
  gradNorm: 0.8,
  tokens: 51200,
  seconds: 4,
  tokensPerSecond: 12800,
  etaSeconds: 72,
};

/** What a screen of that kind writes for the events, and after closing. */
function written(
  events: SessionEvent[],
  { isTTY, columns = 100, abort = false }: { isTTY: boolean; columns?: number; abort?: boolean },
): string {
  let text = "";
  const controller = new AbortController();
  const stream = { isTTY, columns, write: (part: string) => void (text += part) };
  const screen = openScreen(stream, controller.signal);
  for (const event of events) screen.show(event);
  if (abort) controller.abort();
  screen.close();
  controller.abort(); // after closing nothing is written any more
  return text;
}

Deno.test("openScreen() writes one JSON line per logged step where there is no terminal", () => {
  const lines = written([step, { ...step, step: 38 }], { isTTY: false }).trimEnd().split("\n");
  const { type: _, ...metrics } = step;
  assert.deepEqual(lines.map((line) => JSON.parse(line)), [metrics, { ...metrics, step: 38 }]);
});

Deno.test("openScreen() writes notices and checkpoints as plain lines", () => {
  const events: SessionEvent[] = [
    { type: "notice", message: "fetching libtensorflow" },
    { type: "checkpoint", step: 100, path: "runs/a/checkpoint-100" },
  ];
  for (const isTTY of [false, true]) {
    assert.equal(
      written(events, { isTTY }),
      "fetching libtensorflow\nSaved runs/a/checkpoint-100\n",
    );
  }
});

Deno.test("openScreen() writes a preparation at most eleven times where there is no terminal", () => {
  const events = Array.from({ length: 1001 }, (_, done): SessionEvent => ({
    type: "progress",
    what: "reference pass",
    done,
    total: 1000,
  }));
  const lines = written(events, { isTTY: false }).trimEnd().split("\n");
  assert.equal(lines.length, 11);
  assert.equal(lines[0], "reference pass: 0 %");
  assert.equal(lines[10], "reference pass: 100 %");
});

Deno.test("openScreen() shows a bar with ETA, speed, losses and accuracies on a terminal", () => {
  const text = written([step], { isTTY: true });
  assert.match(text, /█+░+ 37\/200 · ETA 1:12 · 12 800 tok\/s/);
  assert.match(text, /helpful 0\.630 61 % · harmless 0\.660 58 %/);
  assert.ok(text.endsWith("\x1b[2K"), "the bar is cleared at the end");
});

Deno.test("openScreen() keeps the bar within the terminal's width", () => {
  const longest = (width: number) =>
    Math.max(
      ...written([step], { isTTY: true, columns: width })
        // deno-lint-ignore no-control-regex
        .split(/\x1b(?:7|8|\[[0-9?]*[A-Za-z])/)
        .map((part) => part.length),
    );
  for (const width of [20, 40, 80, 87, 100, 200]) assert.ok(longest(width) <= width, `${width}`);
});

Deno.test("openScreen() clears the bar before a line and draws it again after", () => {
  const notice: SessionEvent = { type: "notice", message: "hello" };
  const text = written([step, notice, { ...step, step: 38 }], { isTTY: true });
  const [before = "", after = ""] = text.split("\x1b[2Khello\n");
  assert.match(before, /37\/200/);
  assert.match(after, /38\/200/);
});

Deno.test("openScreen() says that it is stopping once the signal is aborted", () => {
  for (const isTTY of [false, true]) {
    assert.match(written([step], { isTTY, abort: true }), /Stopping after this step[^\n]*\n/);
    assert.doesNotMatch(written([step], { isTTY }), /Stopping/);
  }
});
