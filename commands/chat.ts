// `deno task chat`: one question answered under one or several preferences, as it comes; without a
// question, a dialogue on the terminal.
import type { Command } from "commander";
import { z } from "zod";
import { InputError } from "../core/errors.ts";
import { parsePreference, toPreference } from "../core/preference.ts";
import { statOrNull } from "../data/files.ts";
import { ChatMessage, ChatRequest } from "../workers/service.ts";
import { askTogether } from "./chat_answers.ts";
import { type DialogueOptions, holdDialogue, openingOf } from "./chat_dialogue.ts";
import { createAnswerWriter } from "./chat_text.ts";
import { type CommandContext, declareCommand } from "./command.ts";
import { declareFlags, flagsOf, parseFlags } from "./flags.ts";
import { namedPreference } from "./format.ts";
import { openLines } from "./lines.ts";
import { printResult, standardError, standardOutput } from "./output.ts";
import { openScreen } from "./terminal.ts";

const DEFAULT_ADAPTER = "runs/builtin";
const MOST_ANSWERS = 32;
const MEBIBYTE = 2 ** 20;

const { max_tokens, temperature, top_p, seed } = ChatRequest.shape;
const ChatFlags = z.strictObject({
  adapter: z.string().optional().describe(`folder of a run; default: ${DEFAULT_ADAPTER}`),
  system: ChatMessage.shape.content.optional().describe(
    "what the model is told before the question",
  ),
  max_tokens: max_tokens.unwrap().optional().describe(
    "most tokens to generate; default: 512, or what the context leaves",
  ),
  temperature: temperature.describe("0: always the most probable token"),
  top_p: top_p.describe("draw among the most probable tokens that have this share together"),
  seed: seed.unwrap().optional().describe("of the draws, the same for all answers; default: any"),
  format: z.enum(["int8", "int4", "float32"]).default("int8").describe(
    "how base weights are held",
  ),
  threads: z.number().int().nonnegative().default(0).describe("0: one for every core"),
});

/** Adds `chat [question]` to the program. */
export function register(program: Command, context: CommandContext): void {
  const command = declareCommand(program, "chat", {
    description: "answer a question under one or several preferences, or hold a dialogue",
    notes: "Without a question: a dialogue on a terminal; elsewhere standard input is the question",
  });
  command.argument("[question]", "what to answer");
  declareList(command, lists.preference);
  declareList(command, lists.stop);
  declareFlags(command, flagsOf(ChatFlags), {
    adapter: "What answers:",
    max_tokens: "Generation:",
    format: "Engine:",
  });
  command.action(() => chat(command, context));
}

async function chat(command: Command, { env, signal }: CommandContext): Promise<void> {
  const flags = parseFlags(command, ChatFlags);
  const stops = readList(command, lists.stop);
  const { json } = command.opts();
  const isDialogue = command.args.length === 0 && Deno.stdin.isTerminal();
  if (isDialogue && json) {
    throw new InputError("Cannot run chat: expected a question beside --json, got none");
  }
  const { createFolderStore } = await import("../workers/chat_adapters.ts");
  const store = createFolderStore();
  const adapter = await store.findAdapter(flags.adapter ?? await defaultAdapter());
  const { dimensions } = adapter.config;
  const preferences = readPreferences(command, dimensions);
  const question = isDialogue ? null : command.args[0] ?? await readQuestion();

  const { createChat } = await import("../workers/chat.ts");
  const { graphCache } = await import("../workers/decoders.ts");
  const screen = openScreen(standardError, signal);
  const service = createChat({
    store,
    format: flags.format,
    threads: flags.threads,
    spin: true,
    maxRows: MOST_ANSWERS,
    maxWaiting: 0,
    maxCacheBytes: 4096 * MEBIBYTE,
    prefixCacheBytes: 256 * MEBIBYTE,
    maxModelBytes: Infinity,
    cacheFolder: graphCache(env),
    env,
    onEvent: screen.show,
  });
  const { max_tokens, temperature, top_p, seed, system } = flags;
  const ask = askTogether(service, {
    adapter: adapter.name,
    ...{ max_tokens, temperature, top_p, seed, stop: stops },
    onStart: screen.close,
  });
  try {
    if (question === null) {
      await converse({ dimensions, preferences, system, ask }, signal);
      return;
    }
    const messages = [...openingOf(system), { role: "user" as const, content: question }];
    const labels = preferences.map((preference) => namedPreference(preference, dimensions));
    const writer = json ? null : createAnswerWriter(standardOutput, labels);
    const questions = preferences.map((preference) => ({ preference, messages }));
    const { answers, seed: drawn } = await ask(questions, { writer, signal });
    if (json) printResult({ adapter: adapter.name, dimensions, seed: drawn, answers });
  } finally {
    screen.close();
    service.finish();
    await service.close();
    await service.dispose();
  }
}

/** A dialogue on the terminal; a signal ends it. */
async function converse(
  parts: Pick<DialogueOptions, "dimensions" | "preferences" | "system" | "ask">,
  signal: AbortSignal,
): Promise<void> {
  const lines = openLines();
  signal.addEventListener("abort", lines.close, { once: true });
  try {
    await holdDialogue({ ...parts, lines, stream: standardOutput });
  } finally {
    signal.removeEventListener("abort", lines.close);
    lines.close();
  }
}

async function defaultAdapter(): Promise<string> {
  if (await statOrNull(DEFAULT_ADAPTER)) return DEFAULT_ADAPTER;
  throw new InputError(
    `Cannot run chat: expected --adapter (folder of a run), got none and no ${DEFAULT_ADAPTER}, ` +
      "which `deno task train` makes",
  );
}

function readPreferences(command: Command, dimensions: string[]): number[][] {
  const texts = readList(command, lists.preference);
  if (texts.length === 0) return [toPreference(null, dimensions)];
  return texts.map((text) => parsePreference(text, dimensions));
}

async function readQuestion(): Promise<string> {
  const text = (await new Response(Deno.stdin.readable).text()).trim();
  if (text !== "") return text;
  throw new InputError(
    "Cannot run chat: expected a question, as an argument or on standard input, got none",
  );
}

/** A flag that may be given several times. */
interface ListFlag {
  name: string;
  placeholder: string;
  description: string;
  expected: string; // for messages
  schema: z.ZodType<string[]>;
}

const lists = {
  preference: {
    name: "preference",
    placeholder: "weights",
    description: "helpful=0.7,harmless=0.3 or 0.7,0.3; several of these flags: as many answers, " +
      "from one batch and one seed (default: equal weights)",
    expected: `weights such as 0.7,0.3, at most ${MOST_ANSWERS} times`,
    schema: z.array(z.string()).max(MOST_ANSWERS),
  },
  stop: {
    name: "stop",
    placeholder: "text",
    description: "end the answer before this text; may be given several times",
    expected: "1 to 256 characters, at most 8 times",
    schema: ChatRequest.shape.stop,
  },
} satisfies Record<string, ListFlag>;

function declareList(command: Command, { name, placeholder, description }: ListFlag): void {
  const more = (value: string, all: string[] = []) => [...all, value];
  command.option(`--${name} [${placeholder}]`, description, more);
}

/** The values of such a flag; throws InputError where one is missing or wrong. */
function readList(command: Command, { name, expected, schema }: ListFlag): string[] {
  const given: unknown = command.opts()[name] ?? [];
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const found = given === true ? "no value" : JSON.stringify(given);
  throw new InputError(`Cannot use --${name}: expected ${expected}, got ${found}`);
}
