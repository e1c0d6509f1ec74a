// Text to token ids and back, for one model: its tokenizer and its chat template, through Hugging
// Face's libraries. Decides where a response begins (after the template's assistant header) and
// where it ends (one end token, the one the template writes). Used by pairs.ts and generation.
import { sha256 as digest } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { InputError } from "../errors.ts";
import { type ChatTemplate, compileChatTemplate } from "./chat_template.ts";
import type { Message } from "./example.ts";
import { ggufParts } from "./gguf_tokenizer.ts";
import { huggingFaceParts } from "./huggingface_tokenizer.ts";
import { buildTokenizer, type PlainTokenizer } from "./library_tokenizer.ts";
import type { TokenizerParts } from "./tokenizer_parts.ts";

/** A model's text files, as they were found. */
export type TextFiles =
  | {
    kind: "huggingface";
    /** Parsed tokenizer.json. */
    tokenizer: unknown;
    /** Parsed tokenizer_config.json. */
    tokenizerConfig: unknown;
    /** Text of chat_template.jinja, where there is one. */
    chatTemplate?: string;
  }
  | { kind: "gguf"; metadata: Record<string, unknown> };

/** Text and token ids of one model. */
export interface ChatTokenizer {
  /** Ids of a text. Special tokens are not added, but recognised where the text holds them. */
  encode(text: string): number[];
  /** The text of ids, special tokens included. */
  decode(ids: ArrayLike<number>): string;
  /** A dialogue as text, ending with the header after which the assistant writes. */
  renderPrompt(messages: Message[]): string;
  /**
   * Ids of a dialogue and of the assistant's answer to it. The response starts after the template's
   * assistant header and ends with exactly one end token; what a template writes behind it is left
   * out. Throws InputError for a model without a chat template, a dialogue that the template
   * refuses, and a template whose text with an answer does not begin with its text without.
   */
  encodeExchange(prompt: Message[], response: string): { prompt: number[]; response: number[] };
  /** The token after which the model stops: the one its template writes after an answer. */
  endTokenId: number;
  /** Every token that ends a text: that one, and those the model's files name. */
  endTokenIds: ReadonlySet<number>;
  /** Tokens that steer a dialogue and are no part of its text, end tokens among them. */
  specialTokenIds: ReadonlySet<number>;
  /** Whether the model brings a chat template. */
  hasTemplate: boolean;
  /** The same tokenizer with another chat template (Jinja source); throws as createTokenizer. */
  withTemplate(chatTemplate: string): ChatTokenizer;
  /** sha256 (hex) of tokenizer, template and special tokens. */
  fingerprint: string;
  /** sha256 (hex) of the chat template's source; null without one. */
  templateHash: string | null;
}

/** What a tokenizer must know of its model. */
export interface TokenizerOptions {
  vocabSize: number; // rows of the embedding
  eosTokenIds: number[]; // end tokens that the configuration names
}

/** The tokenizer of a model. Throws InputError where the files cannot be understood. */
export function createTokenizer(files: TextFiles, options: TokenizerOptions): ChatTokenizer {
  return fromParts(tokenizerParts(files), options);
}

/** The common form of a model's text files. Throws InputError where they cannot be understood. */
export function tokenizerParts(files: TextFiles): TokenizerParts {
  return files.kind === "gguf" ? ggufParts(files.metadata) : huggingFaceParts(files);
}

function fromParts(parts: TokenizerParts, options: TokenizerOptions): ChatTokenizer {
  const tokenizer = buildTokenizer(parts.tokenizer);
  const template = parts.chatTemplate === null
    ? null
    : compileChatTemplate(parts.chatTemplate, parts.specialTokens);
  const encode = encoder(tokenizer, options.vocabSize);
  const render = renderer(template, parts.specialTokens.bos_token);
  const endTokens = findEndTokens(parts, { ...options, encode, render: template && render });
  const encodePrompt = memoizeLast(encode);

  function encodeExchange(prompt: Message[], response: string) {
    const head = render(prompt, true);
    const whole = render([...prompt, { role: "assistant", content: response }], false);
    if (!whole.startsWith(head)) {
      throw new InputError(
        "Cannot find the response in the chat template's text: expected the text of a dialogue to " +
          "begin with the text of its prompt (a prefix-preserving template), got another beginning",
      );
    }
    const promptIds = encodePrompt(head);
    const tail = whole.slice(head.length);
    const ids = encodeTail(encode, { head, promptIds, tail, header: endTokens.header });
    const end = ids.findIndex((id) => endTokens.ids.has(id));
    return {
      prompt: [...promptIds],
      response: [...(end < 0 ? ids : ids.slice(0, end)), endTokens.id],
    };
  }

  return {
    encode,
    decode: tokenizer.decode,
    renderPrompt: (messages) => render(messages, true),
    encodeExchange,
    endTokenId: endTokens.id,
    endTokenIds: endTokens.ids,
    specialTokenIds: new Set([
      ...parts.tokenizer.added_tokens.filter(({ special }) => special).map(({ id }) => id),
      ...endTokens.ids,
    ]),
    hasTemplate: template !== null,
    withTemplate: (chatTemplate) => fromParts({ ...parts, chatTemplate }, options),
    fingerprint: sha256(JSON.stringify(parts)),
    templateHash: parts.chatTemplate === null ? null : sha256(parts.chatTemplate),
  };
}

function sha256(text: string): string {
  return bytesToHex(digest(utf8ToBytes(text)));
}

type Encode = (text: string) => number[];
type Render = (messages: Message[], addGenerationPrompt: boolean) => string;

function encoder(tokenizer: PlainTokenizer, vocabSize: number): Encode {
  return (text) => {
    const ids = tokenizer.encode(text);
    const wrong = ids.find((id) => !(id >= 0 && id < vocabSize));
    if (wrong !== undefined) {
      throw new InputError(
        `Cannot encode a text: expected token ids below the model's vocabulary of ${vocabSize}, got ${wrong}`,
      );
    }
    return ids;
  };
}

function renderer(template: ChatTemplate | null, bos: string | undefined): Render {
  return (messages, addGenerationPrompt) => {
    if (!template) {
      throw new InputError(
        "Cannot write a dialogue: expected a model with a chat template, got one without " +
          "(a base model, or a tokenizer without chat_template)",
      );
    }
    let text = template.render(messages, { addGenerationPrompt });
    while (bos && text.startsWith(bos + bos)) text = text.slice(bos.length);
    return text;
  };
}

/** Both responses of a pair follow the same prompt: its ids are kept for the second. */
function memoizeLast(encode: Encode): Encode {
  let last: { text: string; ids: number[] } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, ids: encode(text) };
    return last.ids;
  };
}

interface EndTokens {
  /** The token that closes a response. */
  id: number;
  /** Every token that ends a text. */
  ids: Set<number>;
  /** The last special token of a rendered prompt and what follows it, or "" where there is none. */
  header: string;
}

/** Finds the end token by writing an exchange: templates may close with another one than eos. */
function findEndTokens(
  parts: TokenizerParts,
  options: { eosTokenIds: number[]; encode: Encode; render: Render | null },
): EndTokens {
  const { encode, render } = options;
  const specials = parts.tokenizer.added_tokens.filter((token) => token.special);
  const named = parts.specialTokens.eos_token;
  const eos = [
    ...options.eosTokenIds,
    ...specials.filter(({ content }) => content === named).map(({ id }) => id),
  ];
  const closing = new Set([...eos, ...specials.map(({ id }) => id)]);
  let header = "";
  let written: number | undefined;
  try {
    const prompt: Message[] = [{ role: "user", content: "Question" }];
    const answer: Message = { role: "assistant", content: "Answer" };
    const head = render?.(prompt, true) ?? "";
    const whole = render?.([...prompt, answer], false) ?? "";
    header = head.slice(Math.max(0, ...specials.map(({ content }) => head.lastIndexOf(content))));
    if (header.includes("Question")) header = "";
    const rest = whole.slice(whole.lastIndexOf("Answer") + "Answer".length);
    written = encode(rest).find((id) => closing.has(id));
  } catch (error) {
    // A template that refuses this dialogue says so again, with the user's own, when it is used.
    if (!(error instanceof InputError)) throw error;
  }
  const id = written ?? eos[0];
  if (id === undefined) {
    throw new InputError(
      "Cannot end a response: expected an end token in the model's configuration or template, got none",
    );
  }
  return { id, ids: new Set([...eos, id]), header };
}

/**
 * Ids of the text that follows a prompt, as the model would continue it: those that prompt and tail
 * give together, less the prompt's own. Where the template's header ends every prompt, only the
 * header is encoded again: special tokens cut a text into pieces that are encoded on their own.
 */
function encodeTail(
  encode: Encode,
  text: { head: string; promptIds: number[]; tail: string; header: string },
): number[] {
  const { head, promptIds, tail, header } = text;
  if (header && head.endsWith(header)) {
    const headerIds = encode(header);
    const together = encode(header + tail);
    if (endsWith(promptIds, headerIds) && startsWith(together, headerIds)) {
      return together.slice(headerIds.length);
    }
  }
  const together = encode(head + tail);
  if (startsWith(together, promptIds)) return together.slice(promptIds.length);
  // The tail's first letters would join the prompt's last token, which is fixed when the model
  // answers. Encoded after a letter they do not join, the tail gets no blank put before it.
  for (const before of ["a", "]", "\n", "."]) {
    const beforeIds = encode(before);
    const joined = encode(before + tail);
    if (startsWith(joined, beforeIds)) return joined.slice(beforeIds.length);
  }
  return encode(tail);
}

function startsWith(ids: number[], start: number[]): boolean {
  return start.every((id, i) => ids[i] === id);
}

function endsWith(ids: number[], end: number[]): boolean {
  return end.length <= ids.length && startsWith(ids.slice(ids.length - end.length), end);
}
