/** @jsxImportSource preact */
// "Use it from a program": the question as a curl command and as Python with the openai client.
import { useSignal } from "@preact/signals";
import type { AdapterSummary } from "../../../workers/service.ts";
import { CopyButton } from "../parts/copy_button.tsx";
import { keyHeld } from "../server/api.ts";
import { question, sampling, selectedPane } from "../state.ts";
import { answerOf } from "./conversation.ts";
import { curlCommand, pythonProgram } from "./snippets.ts";

const kinds = { curl: curlCommand, Python: pythonProgram };

export function Program({ adapter }: { adapter: AdapterSummary }) {
  const kind = useSignal<keyof typeof kinds>("curl");
  const pane = selectedPane.value;
  if (pane === null) return null;
  const text = kinds[kind.value]({
    origin: location.origin,
    model: answerOf(pane).value?.model ?? `${adapter.base}:${adapter.id}`,
    adapter: adapter.id,
    preference: pane.preference.value,
    question: question.value || (adapter.examples[0] ?? "Hello"),
    sampling: sampling.value,
    key: keyHeld.value,
  });
  return (
    <details class="folded">
      <summary>Use it from a program</summary>
      <div class="program">
        <div class="row spread">
          <div class="segments" role="group" aria-label="Kind of program">
            {(Object.keys(kinds) as (keyof typeof kinds)[]).map((name) => (
              <button
                key={name}
                type="button"
                aria-pressed={kind.value === name}
                onClick={() => kind.value = name}
              >
                {name}
              </button>
            ))}
          </div>
          <CopyButton text={text} label={`Copy as ${kind.value}`} />
        </div>
        <pre tabIndex={0} aria-label={`The question as ${kind.value}`}><code>{text}</code></pre>
      </div>
    </details>
  );
}
