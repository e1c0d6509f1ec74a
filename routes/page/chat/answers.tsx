/** @jsxImportSource preact */
// The answers to the current question, one for each λ. Model text is only ever a text node.
import { useComputed } from "@preact/signals";
import { mixedColour } from "../../../core/front/palette.ts";
import { describePreference } from "../front/preference.ts";
import { adapter, type Pane, panes, question, removePane, selected } from "../state.ts";
import { type Answer, answerOf, isBusy } from "./conversation.ts";

/** The name of a pane beside others. */
export function letterOf(index: number): string {
  return "ABCD"[index] ?? "";
}

export function Answers() {
  const several = panes.value.length > 1;
  if (!several && question.value === "") return null;
  return (
    <div class={several ? "answers several" : "answers"}>
      {panes.value.map((pane, i) => (
        <AnswerBox key={pane.key} pane={pane} index={i} several={several} />
      ))}
    </div>
  );
}

function AnswerBox({ pane, index, several }: { pane: Pane; index: number; several: boolean }) {
  const answer = answerOf(pane).value;
  const dimensions = adapter.value?.dimensions ?? [];
  const moved = several && selected.value === index;
  const wanted = pane.preference.value;
  const words = describePreference(wanted, dimensions);
  // The old answer stays, dimmed, until the first word of the new one.
  const stale = useComputed(() => answerOf(pane).value?.state === "waiting");
  return (
    <article
      class={moved ? "answer moved" : "answer"}
      aria-label={several ? `Answer ${letterOf(index)}, λ ${words}` : "Answer"}
    >
      <header>
        <span
          class="swatch"
          style={{ "--dimension": mixedColour(wanted) }}
          aria-hidden="true"
        />
        {several
          ? (
            <button
              type="button"
              class="pane-name"
              aria-pressed={moved}
              onClick={() => selected.value = index}
              title="Move this λ with the controls"
            >
              <strong>{letterOf(index)}</strong> {words}
            </button>
          )
          : <span class="quiet">λ = {words}</span>}
        {several && (
          <button
            type="button"
            class="icon-button"
            onClick={() => removePane(index)}
            aria-label={`Remove answer ${letterOf(index)}`}
          >
            <svg width={12} height={12} aria-hidden="true">
              <path d="M2,2l8,8m0,-8l-8,8" />
            </svg>
          </button>
        )}
      </header>
      <div aria-live="polite" aria-busy={isBusy(answer)} aria-atomic="true">
        <p class={stale.value ? "text stale" : "text"}>
          {answer?.text}
          {isBusy(answer) && <span class="caret" aria-hidden="true" />}
        </p>
        {answer && <Remark answer={answer} />}
      </div>
    </article>
  );
}

/** How the answer ended, where that is worth a word. */
function Remark({ answer }: { answer: Answer }) {
  if (answer.state === "failed") return <p class="error" role="alert">{answer.error}</p>;
  if (answer.state === "stopped") return <p class="remark">Stopped.</p>;
  if (answer.state !== "done" || answer.end === null) return null;
  const { reason, completionTokens } = answer.end;
  const tokens = `${completionTokens} token${completionTokens === 1 ? "" : "s"}`;
  if (reason === "length") return <p class="remark">Cut off after {tokens}.</p>;
  if (reason === "shutdown") return <p class="remark">The server ended during the answer.</p>;
  if (answer.text.trim() === "") return <p class="remark">The model said nothing.</p>;
  return <p class="remark">{tokens}</p>;
}
