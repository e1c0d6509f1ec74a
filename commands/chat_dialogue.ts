// A dialogue on the terminal: questions line by line, each answered under every λ at hand, and what
// was said kept for the next one.
import { InputError } from "../core/errors.ts";
import { parsePreference } from "../core/preference.ts";
import type { ChatMessage } from "../workers/service.ts";
import type { Ask } from "./chat_answers.ts";
import { createAnswerWriter } from "./chat_text.ts";
import { namedPreference } from "./format.ts";
import type { Lines } from "./lines.ts";
import type { Stream } from "./output.ts";

/** What a dialogue is made of. */
export interface DialogueOptions {
  dimensions: string[];
  /** λ to begin with, at least one. */
  preferences: number[][];
  /** What the model is told first. */
  system: string | undefined;
  ask: Ask;
  lines: Lines;
  stream: Stream;
}

const HELP = "/preference 0.7,0.3 changes λ (several: separated by blanks), /new forgets what " +
  "was said, Ctrl-D leaves";

/** Holds a dialogue until there are no more lines. */
export async function holdDialogue(
  { dimensions, preferences: first, system, ask, lines, stream }: DialogueOptions,
): Promise<void> {
  const opening = openingOf(system);
  let preferences = first;
  let said: ChatMessage[][] = preferences.map(() => opening); // one dialogue for each λ
  const labels = () => preferences.map((preference) => namedPreference(preference, dimensions));

  /** Does what a line that begins with / says. */
  function obey(line: string): string {
    const [command = "", ...words] = line.trim().split(/\s+/);
    if (command === "/preference" && words.length > 0) {
      preferences = words.map((word) => parsePreference(word, dimensions));
      said = preferences.map(() => said[0] ?? opening);
      return labels().join(" | ");
    }
    if (command === "/new") {
      said = preferences.map(() => opening);
      return "Forgotten";
    }
    return HELP;
  }

  async function answer(content: string): Promise<void> {
    const questions = preferences.map((preference, i) => ({
      preference,
      messages: [...said[i] ?? opening, { role: "user" as const, content }],
    }));
    const writer = createAnswerWriter(stream, labels());
    const { answers } = await lines.breakable((signal) => ask(questions, { writer, signal }));
    if (answers.some(({ text }) => text === "")) return; // broken off: as if it was not asked
    said = questions.map(({ messages }, i) => [
      ...messages,
      { role: "assistant", content: answers[i]?.text ?? "" },
    ]);
  }

  stream.write(`${labels().join(" | ")}\n${HELP}\n`);
  for (let line = await lines.next("> "); line !== null; line = await lines.next("> ")) {
    try {
      if (line.startsWith("/")) stream.write(`${obey(line)}\n`);
      else if (line.trim() !== "") await answer(line);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      stream.write(`${error.message}\n`);
    }
  }
}

/** What a dialogue begins with: what the model is told, where it is told something. */
export function openingOf(system: string | undefined): ChatMessage[] {
  return system === undefined ? [] : [{ role: "system", content: system }];
}
