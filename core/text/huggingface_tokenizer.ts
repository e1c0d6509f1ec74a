// The tokenizer of a Hugging Face model folder: tokenizer.json, tokenizer_config.json and, where
// present, chat_template.jinja. Follows transformers 5 (tokenization_auto.py, v5.23.0), which does
// not take every part from tokenizer.json: two tokenizer classes bring a pre-tokenizer of their own.
import { z } from "zod";
import { InputError } from "../errors.ts";
import {
  byteLevelSplit,
  gpt2Split,
  isObject,
  type Node,
  parseTokenizerJson,
  type TokenizerJson,
  type TokenizerParts,
} from "./tokenizer_parts.ts";

const TokenText = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const NamedTemplates = z.array(z.looseObject({ name: z.string(), template: z.string() }));

const TokenizerConfig = z.looseObject({
  tokenizer_class: z.string().nullish(),
  legacy: z.boolean().nullish(),
  add_prefix_space: z.boolean().nullish(),
  bos_token: TokenText,
  eos_token: TokenText,
  unk_token: TokenText,
  pad_token: TokenText,
  added_tokens_decoder: z.record(z.string(), z.looseObject({ content: z.string() })).nullish(),
  chat_template: z.union([z.string(), NamedTemplates]).nullish(),
});
type TokenizerConfig = z.infer<typeof TokenizerConfig>;

/** The contents of a folder's text files: parsed JSON, and the text of chat_template.jinja. */
export interface HuggingFaceText {
  tokenizer: unknown;
  tokenizerConfig: unknown;
  chatTemplate?: string;
}

/**
 * The common form of a folder's text files. chat_template.jinja wins over the template of
 * tokenizer_config.json; of several named templates `default` is taken.
 * Throws InputError where a file does not hold what its name says.
 */
export function huggingFaceParts(files: HuggingFaceText): TokenizerParts {
  const config = parseConfig(files.tokenizerConfig);
  const tokenizer = withConfiguredTokens(parseTokenizerJson(files.tokenizer), config);
  return {
    tokenizer: withClassPreTokenizer(tokenizer, config),
    chatTemplate: files.chatTemplate ?? chooseTemplate(config.chat_template),
    specialTokens: specialTokens(config),
  };
}

function parseConfig(value: unknown): TokenizerConfig {
  const parsed = TokenizerConfig.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new InputError(
    `Cannot read tokenizer_config.json: expected its field ${issue?.path.join(".")} to be right, ` +
      `got "${issue?.message}"`,
  );
}

/** Adds the tokens that only tokenizer_config.json lists. */
function withConfiguredTokens(tokenizer: TokenizerJson, config: TokenizerConfig): TokenizerJson {
  const known = new Set(tokenizer.added_tokens.map((token) => token.content));
  const missing = Object.entries(config.added_tokens_decoder ?? {})
    .filter(([, token]) => !known.has(token.content))
    .map(([id, token]) => ({ ...token, id: Number(id) }));
  return { ...tokenizer, added_tokens: [...tokenizer.added_tokens, ...missing] };
}

/** What the tokenizer classes of the Llama family's models put in place of tokenizer.json's parts. */
const classPreTokenizers: Record<
  string,
  (config: TokenizerConfig) => { fits: (text: string) => boolean; normalizer: null; split: Node }
> = {
  // GPT2Tokenizer splits as GPT-2 even where tokenizer.json says more (SmolLM2: single digits).
  GPT2Tokenizer: () => ({
    fits: (text) => text.includes("ByteLevel"),
    normalizer: null,
    split: byteLevelSplit(gpt2Split),
  }),
  // A byte-level tokenizer.json keeps its own parts although the class says LlamaTokenizer.
  LlamaTokenizer: (config) => ({
    fits: (text) => !text.includes("ByteLevel"),
    normalizer: null,
    split: { type: "Metaspace", replacement: "▁", prepend_scheme: prepend(config), split: false },
  }),
};

function prepend(config: TokenizerConfig): string {
  if (config.add_prefix_space === false) return "never";
  return config.legacy === true ? "always" : "first";
}

function withClassPreTokenizer(tokenizer: TokenizerJson, config: TokenizerConfig): TokenizerJson {
  const name = (config.tokenizer_class ?? "").replace(/Fast$/, "");
  if (!Object.hasOwn(classPreTokenizers, name)) return tokenizer;
  const own = classPreTokenizers[name]?.(config);
  const parts = JSON.stringify([tokenizer.pre_tokenizer, tokenizer.decoder]);
  if (!own?.fits(parts)) return tokenizer;
  return { ...tokenizer, normalizer: own.normalizer, pre_tokenizer: own.split };
}

function chooseTemplate(templates: TokenizerConfig["chat_template"]): string | null {
  if (!Array.isArray(templates)) return templates ?? null;
  const chosen = templates.find(({ name }) => name === "default") ??
    (templates.length === 1 ? templates[0] : undefined);
  if (chosen) return chosen.template;
  if (templates.length === 0) return null;
  throw new InputError(
    `Cannot choose a chat template: expected one named default, got ${
      templates.map(({ name }) => name).join(", ")
    }`,
  );
}

function specialTokens(config: TokenizerConfig): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const [name, value] of Object.entries(config)) {
    if (!name.endsWith("_token")) continue;
    if (typeof value === "string") tokens[name] = value;
    else if (isObject(value) && typeof value.content === "string") tokens[name] = value.content;
  }
  return tokens;
}
