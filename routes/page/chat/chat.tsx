/** @jsxImportSource preact */
// The chat: the question, its answers side by side (one for each λ), what was said before, and the
// line to write in.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { AdapterSummary } from "../../../workers/service.ts";
import { addPane, MOST_PANES, panes, question } from "../state.ts";
import { Answers } from "./answers.tsx";
import { answerOf, ask, askAgain, history, isBusy, startAnew, stop } from "./conversation.ts";
import { Program } from "./program.tsx";
import { SamplingForm } from "./sampling_form.tsx";

const LONGEST_QUESTION = 8000; // characters: what the address still holds

export function Chat({ adapter }: { adapter: AdapterSummary }) {
  const busy = panes.value.some((pane) => isBusy(answerOf(pane).value));
  const several = panes.value.length > 1;
  return (
    <section class="card chat" aria-labelledby="chat-title">
      <header class="card-head">
        <h2 id="chat-title">{several ? "Compare" : "Chat"}</h2>
        <div class="row">
          {question.value !== "" && (
            <button type="button" class="quiet-button" onClick={startAnew}>New question</button>
          )}
          <button
            type="button"
            class="quiet-button"
            disabled={panes.value.length >= MOST_PANES}
            onClick={addPane}
            title={`One question under up to ${MOST_PANES} preference vectors`}
          >
            Compare another λ
          </button>
        </div>
      </header>
      {history.value.length > 0 && (
        <ol class="history" aria-label="Before">
          {history.value.map(({ question, answer }, i) => (
            <li key={i}>
              <p class="question">{question}</p>
              <p class="text">{answer}</p>
            </li>
          ))}
        </ol>
      )}
      {question.value === ""
        ? <Examples adapter={adapter} several={several} />
        : (
          <p class="question">
            <span class="unseen">You asked:</span>
            {question.value}
          </p>
        )}
      <Answers />
      <Composer busy={busy} />
      <SamplingForm />
      <Program adapter={adapter} />
    </section>
  );
}

function Examples({ adapter, several }: { adapter: AdapterSummary; several: boolean }) {
  const hint = several
    ? "Each of these preference vectors answers the same question with the same seed."
    : "Ask something, then move λ and watch the answer change.";
  return (
    <div class="examples">
      <p class="quiet">{hint}</p>
      {adapter.examples.length > 0 && (
        <ul aria-label="Questions to try">
          {adapter.examples.map((example) => (
            <li key={example}>
              <button type="button" class="example" onClick={() => ask(example)}>{example}</button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Composer({ busy }: { busy: boolean }) {
  const draft = useSignal("");
  const field = useRef<HTMLTextAreaElement>(null);
  const text = draft.value.trim();
  // "New question" takes the question off the page; the next thing to do is to write one.
  const asked = question.value !== "";
  const before = useRef(asked);
  useEffect(() => {
    if (before.current && !asked) field.current?.focus();
    before.current = asked;
  }, [asked]);

  function send(event: Event) {
    event.preventDefault();
    if (text === "") return;
    ask(text);
    draft.value = "";
  }

  return (
    <form class="composer" onSubmit={send}>
      <label class="unseen" for="question">Question</label>
      <textarea
        ref={field}
        id="question"
        rows={1}
        maxLength={LONGEST_QUESTION}
        placeholder={asked ? "Ask something else" : "Ask something"}
        value={draft.value}
        onInput={(event) => draft.value = event.currentTarget.value}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
        }}
      />
      {busy
        ? <button type="button" class="button" onClick={stop}>Stop</button>
        : asked && text === ""
        ? <button type="button" class="button" onClick={askAgain}>Ask again</button>
        : <button type="submit" class="button primary" disabled={text === ""}>Ask</button>}
    </form>
  );
}
