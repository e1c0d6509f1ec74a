/** @jsxImportSource preact */
// The page beside an exported model: runs it in this browser, under the λ that its slider says. No
// server computes: the files come from a static host, or from a folder that is chosen on the disk.
import { signal } from "@preact/signals";
import { render } from "preact";
import type { InBrowser } from "../../../core/export/in_browser.ts";
import { mixedColour } from "../../../core/front/palette.ts";
import { Control } from "../front/control.tsx";
import { cornerPreference, describePreference, equalPreference } from "../front/preference.ts";
import { Failure } from "../parts/notice.tsx";
import { currentTheme, followTheme, toggleTheme } from "../theme.ts";
import type { FromWorker, Question, ToWorker } from "./messages.ts";

/** An answer, and how it ended. */
interface Answer {
  key: number;
  question: string;
  preference: number[];
  text: string;
  end: string | null;
  isFailure: boolean;
}

const model = signal<InBrowser | null>(null);
const progress = signal<{ what: string; done: number; total: number } | null>(null);
const failure = signal<string | null>(null);
const preference = signal<number[]>([]);
const answers = signal<Answer[]>([]);
const draft = signal("");
const temperature = signal(0);
const maxTokens = signal(128);
const beside = signal(false);
let asked = 0;

const worker = startWorker();

/** The Worker's script lies in the page: a page from the disk may load no other file. */
function startWorker(): Worker {
  const script = document.getElementById("model-worker")?.textContent ?? "";
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const worker = new Worker(address);
  worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => take(data));
  worker.addEventListener("error", ({ message }) => {
    failure.value = `Cannot run the model: ${message ?? "the Worker did not start"}`;
  });
  return worker;
}

function send(message: ToWorker): void {
  worker.postMessage(message);
}

function take(message: FromWorker): void {
  switch (message.type) {
    case "progress":
      progress.value = message;
      break;
    case "ready":
      progress.value = null;
      preference.value = equalPreference(message.model.dimensions.length);
      model.value = message.model;
      document.title = message.model.name;
      break;
    case "text":
      change(message.key, (answer) => ({ ...answer, text: answer.text + message.text }));
      break;
    case "end":
      change(message.key, (answer) => ({ ...answer, end: remark(message) }));
      break;
    case "failed":
      if (message.key === null) {
        progress.value = null;
        failure.value = message.message;
      } else {
        change(message.key, (answer) => ({ ...answer, end: message.message, isFailure: true }));
      }
  }
}

function change(key: number, next: (answer: Answer) => Answer): void {
  answers.value = answers.value.map((answer) => answer.key === key ? next(answer) : answer);
}

function remark({ reason, tokens, seconds }: Extract<FromWorker, { type: "end" }>): string {
  const count = `${tokens} token${tokens === 1 ? "" : "s"}`;
  const speed = `${count}, ${(tokens / seconds).toFixed(1)} tokens a second`;
  return reason === "length"
    ? `Cut off after ${speed}`
    : reason === "cancelled"
    ? `Stopped after ${speed}`
    : speed;
}

/** Asks under the slider's λ, and beside it under each dimension alone where that is wanted. */
function ask(text: string): void {
  const m = preference.value.length;
  const corners = beside.value ? Array.from({ length: m }, (_, i) => cornerPreference(i, m)) : [];
  const questions = [preference.value, ...corners].map((wanted): Question => ({
    ...{ key: asked++, text, preference: wanted, seed: 0 },
    temperature: temperature.value,
    maxTokens: maxTokens.value,
  }));
  answers.value = [
    ...questions.map(({ key, preference }) => ({
      ...{ key, question: text, preference, text: "" },
      ...{ end: null, isFailure: false },
    })),
    ...answers.value,
  ];
  questions.forEach((question) => send({ type: "ask", question }));
}

function Page() {
  const found = model.value;
  return (
    <>
      <header class="site-head">
        <h1>{found?.name ?? "Panacea"}</h1>
        <button type="button" class="quiet-button" onClick={toggleTheme}>
          {currentTheme() === "dark" ? "Light" : "Dark"}
        </button>
      </header>
      <main>
        {found ? <Model model={found} /> : <Loading />}
      </main>
    </>
  );
}

function Loading() {
  const now = progress.value;
  if (now !== null) {
    const part = now.total > 0 ? { value: now.done, max: now.total } : {};
    const words = now.total > 0
      ? `${now.what}: ${megabytes(now.done)} of ${megabytes(now.total)} MB`
      : now.what;
    return (
      <section class="card">
        <div class="progress">
          <progress aria-label="Loading the model" {...part} />
          <span role="status">{words}</span>
        </div>
      </section>
    );
  }
  return (
    <section class="card">
      <Failure text={failure.value} />
      {isFromDisk && (
        <label class="field">
          <span>Choose the folder that this page lies in; nothing of it leaves this machine.</span>
          <input
            type="file"
            {
              // deno-lint-ignore no-explicit-any
              ...{ webkitdirectory: true } as any
            }
            onChange={({ currentTarget }) => {
              failure.value = null;
              send({ type: "load", source: { files: [...currentTarget.files ?? []] } });
            }}
          />
        </label>
      )}
    </section>
  );
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

function Model({ model: { base, dimensions, dtype, weights } }: { model: InBrowser }) {
  const busy = answers.value.some(({ end }) => end === null);
  const text = draft.value.trim();
  function submit(event: Event): void {
    event.preventDefault();
    if (text !== "" && !busy) ask(text);
  }
  return (
    <>
      <section class="card" aria-labelledby="preference-title">
        <h2 id="preference-title">Preference λ</h2>
        <Control
          dimensions={dimensions}
          preference={preference.value}
          onChange={(moved) => preference.value = moved}
        />
        <p class="quiet">
          {base}, {dtype}, {megabytes(weights.bytes)} MB, computed in this browser.
        </p>
      </section>
      <section class="card chat" aria-labelledby="ask-title">
        <h2 id="ask-title">Ask</h2>
        <form class="composer" onSubmit={submit}>
          <label class="unseen" for="question">Question</label>
          <textarea
            id="question"
            rows={2}
            placeholder="Ask something, move λ, and ask again"
            value={draft.value}
            onInput={({ currentTarget }) => draft.value = currentTarget.value}
            onKeyDown={(event) => {
              if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
            }}
          />
          {busy
            ? (
              <button type="button" class="button" onClick={() => send({ type: "stop" })}>
                Stop
              </button>
            )
            : <button type="submit" class="button primary" disabled={text === ""}>Ask</button>}
        </form>
        <div class="settings">
          <Amount label="Temperature" value={temperature} range={{ min: 0, max: 2, step: 0.1 }} />
          <Amount label="Most tokens" value={maxTokens} range={{ min: 1, max: 4096, step: 1 }} />
          <label>
            <input
              type="checkbox"
              checked={beside.value}
              onChange={({ currentTarget }) => beside.value = currentTarget.checked}
            />
            beside it, each dimension alone
          </label>
        </div>
        <div class="answers several">
          {answers.value.map((answer) => (
            <AnswerBox
              {...{ answer, dimensions }}
              key={answer.key}
            />
          ))}
        </div>
      </section>
    </>
  );
}

function Amount({ label, value, range }: {
  label: string;
  value: { value: number };
  range: { min: number; max: number; step: number };
}) {
  return (
    <label>
      {label}
      <input
        type="number"
        {...range}
        value={value.value}
        onChange={({ currentTarget }) => {
          const wanted = currentTarget.valueAsNumber;
          if (wanted >= range.min && wanted <= range.max) value.value = wanted;
          else currentTarget.value = String(value.value);
        }}
      />
    </label>
  );
}

function AnswerBox({ answer, dimensions }: { answer: Answer; dimensions: string[] }) {
  const { preference, question, text, end, isFailure } = answer;
  const words = describePreference(preference, dimensions);
  return (
    <article class="answer" aria-label={`Answer, λ ${words}`}>
      <header>
        <span
          class="swatch"
          style={{ "--dimension": mixedColour(preference) }}
          aria-hidden="true"
        />
        <span class="quiet">λ = {words}</span>
      </header>
      <p class="remark">{question}</p>
      <p class="text" aria-live="polite" aria-busy={end === null}>
        {text}
        {end === null && <span class="caret" aria-hidden="true" />}
      </p>
      {isFailure ? <Failure text={end} /> : end !== null && <p class="remark">{end}.</p>}
    </article>
  );
}

const isFromDisk = location.protocol === "file:";
followTheme();
const root = document.getElementById("app");
if (root) render(<Page />, root);
if (!isFromDisk) {
  progress.value = { what: "Fetching the model", done: 0, total: 0 };
  send({ type: "load", source: { address: location.href } });
}
