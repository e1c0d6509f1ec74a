// How a data set looks to a model: a few examples as the tokens that training reads, with what of them
// is learned, and what is wrong with the chat template or the data. No engine and no weights are needed.
import type { RunConfig } from "../core/config.ts";
import { preferredIndex } from "../core/dataset/labels.ts";
import { InputError } from "../core/errors.ts";
import { withAnyTemplate } from "../core/text/alpaca_template.ts";
import { diagnoseMessages, diagnoseTemplate, type Fault } from "../core/text/diagnosis.ts";
import type { Message } from "../core/text/example.ts";
import { tokenizeExample } from "../core/text/instructions.ts";
import { type PairOptions, tokenizePair } from "../core/text/pairs.ts";
import type { ChatTokenizer } from "../core/text/tokenizer.ts";
import { readInstructions } from "../data/datasets/instructions/mod.ts";
import { readDataset } from "../data/datasets/mod.ts";
import { withLocalData } from "./hub_data.ts";
import { baseOf, openFiles } from "./machine.ts";
import type { SessionOptions } from "./protocol.ts";
import { wantedDimensions } from "./run_data.ts";

/** Which data to look at, and with whose eyes. */
export interface TextRequest extends
  Pick<
    RunConfig,
    "dataset" | "columns" | "dimensions" | "objective" | "max_length" | "overlong" | "revision"
  > {
  model: string;
}

/** A stretch of a sequence. */
export interface Segment {
  text: string;
  /** Whether its tokens are learned: the response mask. */
  learned: boolean;
}

/** A sequence of tokens as training reads it. */
export interface ShownSequence {
  /** `chosen in helpful, rejected in harmless`; empty for a dialogue. */
  title: string;
  tokens: number;
  learned: number; // tokens
  segments: Segment[];
}

/** An example of the data: the two responses of a pair, or the sequences of a dialogue. */
export interface ShownExample {
  /** Which of the examples it is, from 1. */
  number: number;
  sequences: ShownSequence[];
}

/** What was found. */
export interface TextReport {
  model: string;
  dataset: string;
  /** sha256 (hex) of the chat template, which adapters are stored with; null without one. */
  templateHash: string | null;
  endToken: string;
  examples: ShownExample[];
  warnings: Fault[];
}

const SHOWN = 3;

/** Reads, tokenizes a few examples and diagnoses. Throws InputError as training would. */
export async function checkText(given: TextRequest, options: SessionOptions): Promise<TextReport> {
  const request = await withLocalData(given, options);
  const { examples, twoPrompts, rows } = await kinds[request.objective](request);
  const opened = await openFiles(request, options);
  opened.close();
  const { tokenizer: own } = baseOf(opened, request);
  const tokenizer = withAnyTemplate(own);
  const { shown, refused } = showSome(examples, tokenizer, {
    maxLength: request.max_length,
    overlong: request.overlong,
  });
  return {
    model: request.model,
    dataset: given.dataset,
    templateHash: own.templateHash,
    endToken: tokenizer.decode([tokenizer.endTokenId]),
    examples: shown,
    warnings: [
      ...diagnoseTemplate(opened.text, own),
      ...refused === null ? [] : [{ kind: "refused", message: refused } as const],
      ...diagnoseMessages(opened.text, textsOf(examples)),
      ...twoPrompts === 0 ? [] : [
        {
          kind: "two_prompts",
          message:
            `The two responses have different prompts in ${twoPrompts} of ${rows} rows: those ` +
            "are left out",
        } as const,
      ],
    ],
  };
}

/** An example that can be shown: its texts, and what training makes of them. */
interface Showable {
  messages: Message[];
  sequences(tokenizer: ChatTokenizer, options: PairOptions): LearnedSequence[];
}

interface LearnedSequence {
  title: string;
  ids: number[];
  isLearned: (at: number) => boolean;
}

interface ReadExamples {
  examples: Showable[];
  rows: number;
  /** Rows whose responses have different prompts. */
  twoPrompts: number;
}

/** How the data of each objective are read and become tokens. */
const kinds: Record<RunConfig["objective"], (request: TextRequest) => Promise<ReadExamples>> = {
  dpo: readPairs,
  reward: readPairs,
  ppo: readPairs,
  sft: readDialogues,
};

async function readPairs(request: TextRequest): Promise<ReadExamples> {
  const { dataset: { dimensions, examples }, reading } = await readDataset(request.dataset, {
    dimensions: wantedDimensions(request),
    columns: request.columns,
  });
  return {
    rows: reading?.rows ?? examples.length,
    twoPrompts: reading?.leftOut.twoPrompts ?? 0,
    examples: examples.map((example) => ({
      messages: [
        ...example.prompt,
        ...example.responses.map((content): Message => ({ role: "assistant", content })),
      ],
      sequences(tokenizer, options) {
        const pair = tokenizePair(tokenizer, example, options);
        return (pair?.responses ?? []).map((response, index) => ({
          title: preferences(example.better, { dimensions, index }),
          ids: [...pair?.prompt ?? [], ...response],
          isLearned: (at) => at >= (pair?.prompt.length ?? 0),
        }));
      },
    })),
  };
}

/** What the dimensions say of one response: `chosen in helpful, rejected in harmless`. */
function preferences(
  better: (number | null)[],
  { dimensions, index }: { dimensions: string[]; index: number },
): string {
  const named = (word: string, preferred: number) => {
    const names = dimensions.filter((_, i) => preferredIndex(better[i]) === preferred);
    return names.length === 0 ? [] : [`${word} in ${names.join(", ")}`];
  };
  return [...named("chosen", index), ...named("rejected", 1 - index)].join("; ");
}

async function readDialogues({ dataset, columns }: TextRequest): Promise<ReadExamples> {
  const { dataset: { examples }, reading } = await readInstructions(dataset, { columns });
  return {
    rows: reading?.rows ?? examples.length,
    twoPrompts: 0,
    examples: examples.map((example) => ({
      messages: [...example.prompt, ...example.completion],
      sequences: (tokenizer, options) =>
        tokenizeExample(tokenizer, example, options).map(({ prompt, response, learned }) => ({
          title: "",
          ids: [...prompt, ...response],
          isLearned: (at) => at >= prompt.length && learned?.[at - prompt.length] !== 0,
        })),
    })),
  };
}

/** Examples from the beginning, the middle and the end, those that fit; and why the first was refused. */
function showSome(
  examples: Showable[],
  tokenizer: ChatTokenizer,
  options: PairOptions,
): { shown: ShownExample[]; refused: string | null } {
  const shown: ShownExample[] = [];
  let refused: string | null = null;
  const stride = Math.max(1, Math.floor(examples.length / SHOWN));
  for (let start = 0; start < examples.length && shown.length < SHOWN; start += stride) {
    for (let i = start; i < Math.min(start + stride, examples.length); i++) {
      try {
        const sequences = examples[i]?.sequences(tokenizer, options) ?? [];
        if (sequences.length === 0) continue;
        shown.push({
          number: i + 1,
          sequences: sequences.map((sequence) => show(sequence, tokenizer)),
        });
        break;
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        refused ??= error.message;
      }
    }
  }
  return { shown, refused };
}

function show({ title, ids, isLearned }: LearnedSequence, tokenizer: ChatTokenizer): ShownSequence {
  const segments: Segment[] = [];
  for (let start = 0; start < ids.length;) {
    const learned = isLearned(start);
    let end = start + 1;
    while (end < ids.length && isLearned(end) === learned) end++;
    // Decoded behind what stands before it: alone, a first word would lose its blank.
    const before = tokenizer.decode(ids.slice(0, start));
    const whole = tokenizer.decode(ids.slice(0, end));
    const text = whole.startsWith(before)
      ? whole.slice(before.length)
      : tokenizer.decode(ids.slice(start, end));
    segments.push({ text, learned });
    start = end;
  }
  const learned = ids.filter((_, at) => isLearned(at)).length;
  return { title, tokens: ids.length, learned, segments };
}

function* textsOf(examples: Showable[]): Generator<string> {
  for (const { messages } of examples) for (const { content } of messages) yield content;
}
