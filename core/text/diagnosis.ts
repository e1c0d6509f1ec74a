// What is wrong with a chat template before anything is trained with it: begin and end tokens that are
// missing or doubled, a text that does not grow from turn to turn, and messages that hold special
// tokens. Templates are tried on a short dialogue, messages are searched as they are.
// Used by `deno task doctor`.
import { InputError } from "../errors.ts";
import { compileChatTemplate } from "./chat_template.ts";
import type { Message } from "./example.ts";
import { type ChatTokenizer, type TextFiles, tokenizerParts } from "./tokenizer.ts";
import { isObject, type TokenizerParts } from "./tokenizer_parts.ts";

/** What may be wrong. */
export type FaultKind =
  | "no_template"
  | "refused"
  | "missing_bos"
  | "double_bos"
  | "missing_eos"
  | "double_eos"
  | "not_prefix_preserving"
  | "special_in_text"
  | "two_prompts";

/** One thing that is wrong, in a sentence: what it is, and what comes of it. */
export interface Fault {
  kind: FaultKind;
  message: string;
}

const question: Message = { role: "user", content: "Question" };
const further: Message = { role: "user", content: "Further" };
const answer = (content: string): Message => ({ role: "assistant", content });

/** Answers that a template may treat in its own way: reasoning models strip what was thought. */
const answers = ["Answer", "<think>\nBecause\n</think>\n\nAnswer"];

/** Faults of a model's template, from its text files and the tokenizer made of them. */
export function diagnoseTemplate(files: TextFiles, tokenizer: ChatTokenizer): Fault[] {
  const parts = tokenizerParts(files);
  if (parts.chatTemplate === null) {
    return [{
      kind: "no_template",
      message:
        "The model brings no chat template: it is a base model, and trained as it is only by " +
        "sft, which gives it Alpaca's",
    }];
  }
  const { render } = compileChatTemplate(parts.chatTemplate, parts.specialTokens);
  const text = (messages: Message[], addGenerationPrompt = false) =>
    render(messages, { addGenerationPrompt });
  try {
    return [
      ...beginFaults(text([question], true), { files, parts }),
      ...endFaults(text([question, answer("Answer")]), { parts, tokenizer }),
      ...growthFaults(text),
    ];
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return [{ kind: "refused", message: `${error.message}, of a question and an answer` }];
  }
}

/** Messages that hold the text of a special token, which is read as that token. */
export function diagnoseMessages(files: TextFiles, texts: Iterable<string>): Fault[] {
  const specials = tokenizerParts(files).tokenizer.added_tokens
    .filter(({ special, content }) => special && content.trim() !== "")
    .map(({ content }) => content);
  const found = new Map<string, number>();
  let count = 0;
  for (const text of texts) {
    count++;
    for (const special of specials) {
      if (text.includes(special)) found.set(special, (found.get(special) ?? 0) + 1);
    }
  }
  return [...found].map(([special, times]): Fault => ({
    kind: "special_in_text",
    message:
      `${special} stands in ${times} of ${count} messages and is read as the token of that ` +
      "name: data that went through a chat template already have it twice, and a response ends at " +
      "an end token",
  }));
}

function beginFaults(
  head: string,
  { files, parts }: { files: TextFiles; parts: TokenizerParts },
): Fault[] {
  const { bos_token: bos } = parts.specialTokens;
  if (!bos) return [];
  if (head.startsWith(bos + bos)) {
    return [{
      kind: "double_bos",
      message:
        `The chat template writes ${bos} twice at the beginning: one is left out here, other ` +
        "programs read both",
    }];
  }
  if (head.startsWith(bos) || !addsBos(files, bos)) return [];
  return [{
    kind: "missing_bos",
    message: `The tokenizer puts ${bos} before a text, and the chat template does not write it: ` +
      "dialogues begin without it",
  }];
}

function endFaults(
  whole: string,
  { parts, tokenizer }: { parts: TokenizerParts; tokenizer: ChatTokenizer },
): Fault[] {
  const rest = whole.slice(whole.lastIndexOf("Answer") + "Answer".length);
  const ends = tokenizer.encode(rest).filter((id) => tokenizer.endTokenIds.has(id));
  const name = tokenizer.decode([tokenizer.endTokenId]);
  if (ends.length === 0) {
    return [{
      kind: "missing_eos",
      message:
        `The chat template writes no end token behind an answer: ${name} is put there, where ` +
        "other programs put none",
    }];
  }
  if (ends.length === 1) return [];
  const written = ends.map((id) => tokenizer.decode([id])).join(" ");
  const eos = parts.specialTokens.eos_token ?? name;
  return [{
    kind: "double_eos",
    message: `The chat template writes ${ends.length} end tokens behind an answer, ${written}: ` +
      `responses end with the first here, other programs train ${eos} as well`,
  }];
}

/** Whether the text of a dialogue grows from turn to turn. */
function growthFaults(
  text: (messages: Message[], addGenerationPrompt?: boolean) => string,
): Fault[] {
  for (const content of answers) {
    const head = text([question], true);
    const once = text([question, answer(content)]);
    const longer = text([question, answer(content), further, answer(content)]);
    const thought = content === "Answer" ? "" : " that thinks first";
    if (!once.startsWith(head)) {
      return [{
        kind: "not_prefix_preserving",
        message: `The text of an exchange${thought} does not begin with the text of its prompt: ` +
          `${differing(head, once)}; such answers cannot be trained`,
      }];
    }
    if (!longer.startsWith(once.trimEnd())) {
      return [{
        kind: "not_prefix_preserving",
        message: `An answer${thought} is written differently once the dialogue goes on: ` +
          `${differing(once, longer)}; each answer is trained as a sequence of its own`,
      }];
    }
  }
  return [];
}

/** Where two texts begin to differ. */
function differing(first: string, second: string): string {
  let at = 0;
  while (at < first.length && first[at] === second[at]) at++;
  const shown = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 12), at + 24));
  return `${shown(first)} becomes ${shown(second)}`;
}

/** Whether a tokenizer puts the begin token before every text that it is given. */
function addsBos(files: TextFiles, bos: string): boolean {
  if (files.kind === "gguf") return files.metadata["tokenizer.ggml.add_bos_token"] === true;
  const config = isObject(files.tokenizerConfig) ? files.tokenizerConfig : {};
  if (typeof config.add_bos_token === "boolean") return config.add_bos_token;
  return isObject(files.tokenizer) && startsWith(files.tokenizer.post_processor, bos);
}

/** Whether a post-processor of tokenizer.json begins a text with a token. */
function startsWith(node: unknown, token: string): boolean {
  if (!isObject(node)) return false;
  if (Array.isArray(node.processors)) {
    return node.processors.some((part) => startsWith(part, token));
  }
  const [first] = Array.isArray(node.single) ? node.single : [];
  return isObject(first) && isObject(first.SpecialToken) && first.SpecialToken.id === token;
}
