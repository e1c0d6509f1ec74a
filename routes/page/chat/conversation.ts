// Questions and answers: one answer for each pane, streamed at the same time under one seed, asked
// again when λ or the sampling changes. Shown by chat.tsx; the server does the rest.
import { batch, effect, type Signal, signal } from "@preact/signals";
import type { ChatEvent, ChatMessage } from "../../../workers/service.ts";
import { adapter, type Pane, panes, question, sampling } from "../state.ts";
import { getEvents, RequestError, sentenceOf } from "../server/api.ts";

/** One answer as it stands. */
export interface Answer {
  state: "waiting" | "streaming" | "done" | "stopped" | "failed";
  /** While waiting: the answer before, so that the text does not flicker as λ moves. */
  text: string;
  preference: number[];
  model: string | null; // base:adapter, once the server has said it
  end: Extract<ChatEvent, { type: "end" }> | null;
  error: string | null;
}

/** A question that was answered before the current one. */
export interface Turn {
  question: string;
  answer: string;
  preference: number[];
}

/** How long λ must rest before the question is asked again, and how long it may keep moving. */
const REST_MS = 150;
const LONGEST_MS = 450;

/** What was said before the current question; empty while several answers stand side by side. */
export const history = signal<Turn[]>([]);

interface Running {
  answer: Signal<Answer | null>;
  asked: string; // what the answer belongs to
  controller: AbortController | null;
  timer: ReturnType<typeof setTimeout> | null;
  since: number; // first change since the last request, ms
}

const running = new Map<number, Running>();

/** The answer of a pane; null before its first question. */
export function answerOf(pane: Pane): Signal<Answer | null> {
  return runningOf(pane).answer;
}

/** Whether an answer is on its way. */
export function isBusy(answer: Answer | null): boolean {
  return answer?.state === "waiting" || answer?.state === "streaming";
}

/** Asks a new question under every pane's λ. */
export function ask(text: string): void {
  const [pane] = panes.value;
  const answer = pane === undefined ? null : answerOf(pane).value;
  batch(() => {
    const told = answer !== null && answer.text !== "" && answer.state !== "waiting";
    history.value = panes.value.length === 1 && question.value !== "" && told
      ? [...history.value, {
        question: question.value,
        answer: answer.text,
        preference: answer.preference,
      }]
      : [];
    question.value = text;
    for (const pane of panes.value) {
      const held = runningOf(pane);
      held.answer.value = null;
      held.asked = "";
    }
  });
  askAgain();
}

/** Asks the current question again, under every λ and at once. */
export function askAgain(): void {
  for (const pane of panes.value) start(pane);
}

/** Ends every answer that is on its way; what has come stays. */
export function stop(): void {
  for (const held of running.values()) {
    clearTimer(held);
    held.controller?.abort();
  }
}

/** Forgets the question, its answers and all before. */
export function startAnew(): void {
  stop();
  batch(() => {
    for (const held of running.values()) {
      held.answer.value = null;
      held.asked = "";
    }
    history.value = [];
    question.value = "";
  });
}

/** Keeps answers in step with λ, sampling, adapter and panes; call once. */
export function followPreferences(): void {
  effect(() => {
    const wanted = panes.value.map((pane) => ({ pane, asked: signatureOf(pane) }));
    const kept = new Set(wanted.map(({ pane }) => pane.key));
    for (const [key, held] of running) {
      if (kept.has(key)) continue;
      clearTimer(held);
      held.controller?.abort();
      running.delete(key);
    }
    if (panes.value.length > 1 && history.peek().length > 0) history.value = [];
    if (question.value === "" || adapter.value === null) return;
    for (const { pane, asked } of wanted) {
      if (runningOf(pane).asked !== asked) startSoon(pane);
    }
  });
}

function runningOf(pane: Pane): Running {
  let held = running.get(pane.key);
  if (held === undefined) {
    held = {
      answer: signal<Answer | null>(null),
      asked: "",
      controller: null,
      timer: null,
      since: 0,
    };
    running.set(pane.key, held);
  }
  return held;
}

/** Everything that decides about a pane's answer, as text. */
function signatureOf(pane: Pane): string {
  return JSON.stringify([
    adapter.value?.id,
    pane.preference.value,
    sampling.value,
    question.value,
  ]);
}

function startSoon(pane: Pane): void {
  const held = runningOf(pane);
  const now = performance.now();
  if (held.timer === null) held.since = now;
  clearTimer(held);
  const first = held.answer.peek() === null;
  const wait = first ? 0 : Math.min(REST_MS, Math.max(0, held.since + LONGEST_MS - now));
  held.timer = setTimeout(() => start(pane), wait);
}

function clearTimer(held: Running): void {
  if (held.timer !== null) clearTimeout(held.timer);
  held.timer = null;
}

/** Cancels the pane's running answer and asks anew. */
function start(pane: Pane): void {
  const held = runningOf(pane);
  clearTimer(held);
  held.controller?.abort();
  const controller = new AbortController();
  held.controller = controller;
  held.asked = signatureOf(pane);
  const preference = pane.preference.peek();
  const shown = held.answer.peek();
  held.answer.value = {
    state: "waiting",
    text: shown?.text ?? "",
    preference: shown?.preference ?? preference,
    model: shown?.model ?? null,
    end: null,
    error: null,
  };
  void receive(held, { preference, signal: controller.signal });
}

async function receive(
  held: Running,
  { preference, signal }: { preference: number[]; signal: AbortSignal },
): Promise<void> {
  const { answer } = held;
  const update = (change: Partial<Answer>) => {
    const current = answer.peek();
    if (current !== null) answer.value = { ...current, ...change };
  };
  try {
    const body = requestFor(preference);
    for await (const { event, data } of getEvents("/chat", { method: "POST", body, signal })) {
      const told = JSON.parse(data);
      if (event === "error") throw new RequestError(told.status ?? 0, told.detail ?? "It failed");
      take(told as ChatEvent, { answer, preference });
    }
    if (isBusy(answer.peek())) throw new RequestError(0, "The answer broke off before its end");
  } catch (error) {
    if (!signal.aborted) update({ state: "failed", error: failureOf(error), preference });
    // Cancelled by a newer request of the same pane, which owns the answer now, or by the user.
    else if (held.controller?.signal === signal) {
      const fresh = answer.peek()?.state === "streaming" ? {} : { text: "" };
      update({ ...fresh, state: "stopped", preference });
    }
  }
}

function take(
  event: ChatEvent,
  { answer, preference }: { answer: Signal<Answer | null>; preference: number[] },
): void {
  const current = answer.peek();
  if (current === null) return;
  const streamed = current.state === "streaming" ? current.text : "";
  switch (event.type) {
    case "start":
      answer.value = { ...current, model: event.model };
      break;
    case "text":
      answer.value = { ...current, state: "streaming", text: streamed + event.text, preference };
      break;
    case "end":
      answer.value = { ...current, state: "done", text: streamed, preference, end: event };
      break;
    default:
      event satisfies never;
  }
}

function requestFor(preference: number[]) {
  const messages: ChatMessage[] = [
    ...history.peek().flatMap((turn): ChatMessage[] => [
      { role: "user", content: turn.question },
      { role: "assistant", content: turn.answer },
    ]),
    { role: "user", content: question.peek() },
  ];
  const { max_tokens, ...rest } = sampling.peek();
  return {
    adapter: adapter.peek()?.id,
    preference,
    messages,
    ...rest,
    ...(max_tokens === null ? {} : { max_tokens }),
    stream: true,
  };
}

function failureOf(error: unknown): string {
  const wait = error instanceof RequestError ? error.retryAfter : null;
  const sentence = `${sentenceOf(error)}.`.replace(/([.?!])\.$/, "$1");
  return wait === null ? sentence : `${sentence} Try again in ${wait} s.`;
}
