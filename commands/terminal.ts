// Session events on standard error: a progress bar where that is a terminal, and elsewhere one
// JSON line per logged step and plain lines for the rest. Standard output stays for results.
import { SingleBar } from "cli-progress";
import type { ProgressEvent, SessionEvent, StepEvent } from "../workers/protocol.ts";
import { duration, grouped, percent } from "./format.ts";
import { standardError, type Stream } from "./output.ts";

/** Shows events until closed; close it before anything else is printed. */
export interface Screen {
  show(event: SessionEvent): void;
  close(): void;
}

/** Runs `work` with a screen on standard error, which is closed when it ends. */
export async function onScreen<T>(
  signal: AbortSignal,
  work: (show: Screen["show"]) => Promise<T>,
): Promise<T> {
  const screen = openScreen(standardError, signal);
  try {
    return await work(screen.show);
  } finally {
    screen.close();
  }
}

/** A screen on `stream`; once `signal` is aborted it says that the session is saving. */
export function openScreen(stream: Stream, signal: AbortSignal): Screen {
  const screen = stream.isTTY ? barScreen(stream) : lineScreen(stream);
  const onAbort = () =>
    screen.show({ type: "notice", message: "Stopping after this step; again to leave at once" });
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    show: screen.show,
    close() {
      signal.removeEventListener("abort", onAbort);
      screen.close();
    },
  };
}

function lineScreen(stream: Stream): Screen {
  let shown = ""; // the last preparation and tenth of it that was written
  return {
    show(event) {
      if (event.type === "step") {
        const { type: _, ...metrics } = event;
        stream.write(`${JSON.stringify(metrics)}\n`);
      } else if (event.type === "progress") {
        const tenths = Math.floor((10 * event.done) / Math.max(event.total, 1));
        if (shown === `${event.what} ${tenths}`) return;
        shown = `${event.what} ${tenths}`;
        stream.write(`${event.what}: ${tenths * 10} %\n`);
      } else {
        stream.write(`${eventLine(event)}\n`);
      }
    },
    close() {},
  };
}

function barScreen(stream: Stream): Screen {
  let bar: Bar | undefined;
  const clear = () => {
    bar?.stop();
    bar = undefined;
  };
  return {
    show(event) {
      if (event.type !== "step" && event.type !== "progress") {
        clear();
        stream.write(`${eventLine(event)}\n`);
        return;
      }
      const { key, done, total, line } = event.type === "step"
        ? { key: "train", done: event.step, total: event.steps, line: stepText(event) }
        : { key: event.what, done: event.done, total: event.total, line: preparation(event) };
      if (bar?.key !== key) {
        clear();
        bar = startBar(stream, { key, total, done, line });
      } else {
        bar.update(done, { line });
      }
    },
    close: clear,
  };
}

function eventLine(event: Exclude<SessionEvent, StepEvent | ProgressEvent>): string {
  switch (event.type) {
    case "notice":
      return event.message;
    case "checkpoint":
      return `Saved ${event.path}`;
    case "front":
      return `Front written to ${event.files.join(", ")}`;
    default:
      return event satisfies never;
  }
}

/**
 * `37/200 · ETA 1:12 · 12 800 tok/s · helpful 0.63 61 % · harmless 0.66 58 %`, then what else the
 * objective tells, as far as the line reaches.
 */
function stepText(event: StepEvent): string {
  const perDimension = Object.entries(event.losses).map(([name, loss]) => {
    const accuracy = event.accuracies[name];
    return `${name} ${loss.toFixed(3)}${accuracy === undefined ? "" : ` ${percent(accuracy)}`}`;
  });
  const metrics = Object.entries(event.metrics ?? {}).map(([name, value]) =>
    `${name} ${value.toFixed(3)}`
  );
  return [
    `${event.step}/${event.steps}`,
    `ETA ${duration(event.etaSeconds)}`,
    `${grouped(event.tokensPerSecond)} tok/s`,
    ...perDimension,
    ...metrics,
  ].join(" · ");
}

/** The ETA comes from cli-progress, which knows when the preparation began. */
function preparation(event: ProgressEvent): string {
  return `${percent(event.done / Math.max(event.total, 1))} · ${event.what} · ETA {eta}`;
}

/** What this file uses of cli-progress, which ships no types. */
interface Bar {
  key: string;
  update(value: number, payload: { line: string }): void;
  stop(): void;
}

function startBar(
  stream: Stream,
  { key, total, done, line }: { key: string; total: number; done: number; line: string },
): Bar {
  const bar = new SingleBar({
    stream,
    clearOnComplete: true,
    // The line is cut to the terminal's width instead of switching its line wrapping off: nothing
    // is left to restore when the process is killed.
    linewrap: true,
    format: barLine,
  });
  bar.start(total, done, { line });
  return {
    key,
    update: (value, payload) => bar.update(value, payload),
    stop: () => bar.stop(),
  };
}

function barLine(
  _options: unknown,
  { progress, eta, maxWidth }: { progress: number; eta: number; maxWidth: number },
  { line }: { line: string },
): string {
  const text = line.replace("{eta}", duration(eta));
  const width = Math.min(24, Math.max(0, maxWidth - text.length - 2));
  if (width < 6) return text;
  const full = Math.round(progress * width);
  return `${"█".repeat(full)}${"░".repeat(width - full)} ${text}`;
}
