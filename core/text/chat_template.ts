// A model's chat template: Jinja source that writes a dialogue as the text the model was trained
// on. Called with the variables that transformers' apply_chat_template passes.
import { Template } from "@huggingface/jinja";
import { InputError } from "../errors.ts";
import type { Message } from "./example.ts";

/** A compiled chat template. */
export interface ChatTemplate {
  /** The text of a dialogue; throws InputError where the template refuses it. */
  render(messages: Message[], options: { addGenerationPrompt: boolean }): string;
}

/**
 * Compiles a chat template; `specialTokens` are its variables bos_token, eos_token …
 * The date that some templates ask for is always 26 Jul 2024 (the one Llama 3 falls back to): with
 * today's date the same data would be other tokens tomorrow.
 * Throws InputError where the source is not Jinja.
 */
export function compileChatTemplate(
  source: string,
  specialTokens: Record<string, string>,
): ChatTemplate {
  const template = attempt("read the chat template", () => new Template(fixedDate + source));
  return {
    render: (messages, { addGenerationPrompt }) =>
      attempt("write a dialogue with the chat template", () =>
        template.render({
          ...specialTokens,
          messages,
          tools: null,
          documents: null,
          add_generation_prompt: addGenerationPrompt,
          fixed_date: formatFixedDate,
        })),
  };
}

// The library declares strftime_now itself and refuses a second one, hence an assignment inside.
const fixedDate = "{% set strftime_now = fixed_date %}\n";

const dateFields: Record<string, string> = {
  "%d": "26",
  "%b": "Jul",
  "%B": "July",
  "%m": "07",
  "%y": "24",
  "%Y": "2024",
  "%A": "Friday",
  "%a": "Fri",
  "%H": "00",
  "%M": "00",
  "%S": "00",
  "%%": "%",
};

function formatFixedDate(format: string): string {
  return format.replace(/%./g, (field) => dateFields[field] ?? field);
}

function attempt<T>(action: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw new InputError(
      `Cannot ${action}: expected it to run, got "${found.replace(/\.$/, "")}"`,
      { cause: error },
    );
  }
}
