// An ONNX text-classification model as a source of rewards, through a pipeline of
// @huggingface/transformers on ONNX Runtime. It reads prompt and response as text: by its own chat
// template where it has one (reward models of decoders), else as a pair of texts (BERT and its kin).
//
// The reward is the log-odds of a label: of the one named behind `#`, or called like the dimension; of
// a model with a single output, that output. Probabilities would be flat where it matters most.
import { isAbsolute, join, resolve } from "node:path";
import type { Tensor, TextClassificationPipeline } from "@huggingface/transformers";
import { InputError } from "../../core/errors.ts";
import type { RewardSource, ScoredResponse } from "../../core/rewards/reward_source.ts";
import type { Message } from "../../core/text/example.ts";
import { statOrNull } from "../../data/files.ts";
import { downloadFiles, hubOptions } from "../../data/hub.ts";
import type { SessionOptions } from "../protocol.ts";
import { classifierFiles, findModelFile, graphOptions, graphPlaces } from "./classifier_files.ts";
import { splitLabel } from "./kinds.ts";
import type { RewardOptions } from "./mod.ts";

/** Texts that go through the model at once. */
const BATCH = 16;

/** Opens the classifier that `source` names (`FOLDER#label` or `owner/name#label`). Caller disposes. */
export async function openClassifier(
  source: string,
  { dimensions, options, threads = 0 }: RewardOptions,
): Promise<RewardSource> {
  const { model, label } = splitLabel(source);
  const folder = await classifierFolder(model, options);
  const pipe = await openPipeline(folder, { name: model, threads });
  try {
    const classifier = await describeClassifier(pipe, folder);
    const columns = chooseLabels(classifier, { dimensions, label, name: model });
    return {
      dimensions,
      async score(responses) {
        const rewards: number[][] = [];
        for (let start = 0; start < responses.length; start += BATCH) {
          options.signal.throwIfAborted();
          const batch = responses.slice(start, start + BATCH);
          const logits = await logitsOf(pipe, batch.map((each) => shorten(pipe, each, classifier)));
          rewards.push(...logits.map((row) => columns.map((i) => logOdds(row, i, classifier))));
        }
        return rewards;
      },
      [Symbol.asyncDispose]: async () => void await pipe.dispose(),
    };
  } catch (error) {
    await pipe.dispose();
    throw error;
  }
}

/** The folder of a classifier, downloaded where it is an id on the hub. */
export async function classifierFolder(
  model: string,
  { env, onEvent }: Pick<SessionOptions, "env" | "onEvent">,
): Promise<string> {
  if (await statOrNull(model) !== null) return isAbsolute(model) ? model : resolve(model);
  return await downloadFiles(model, {
    hub: hubOptions(env),
    wanted: [...classifierFiles.map((name) => [name]), graphPlaces],
    onProgress: ({ file, received, total }) =>
      onEvent({ type: "progress", what: `Fetching ${file}`, done: received, total }),
  });
}

/** What is known of a classifier. */
interface Classifier {
  labels: string[]; // by output
  /** Whether each label is judged by itself; otherwise they exclude each other. */
  independent: boolean;
  /** Most tokens that it reads. */
  limit: number;
  /** Whether it reads dialogues by a chat template of its own. */
  chat: boolean;
}

async function openPipeline(
  folder: string,
  { name, threads }: { name: string; threads: number },
): Promise<TextClassificationPipeline> {
  const { subfolder, dtype } = graphOptions(await findModelFile(folder));
  const { env, LogLevel, pipeline } = await importLibrary();
  env.logLevel = LogLevel.NONE; // a session prints nothing
  env.allowRemoteModels = false; // data/hub.ts downloads
  env.allowLocalModels = true; // off in a Worker, which the library takes for a web page's
  env.useFSCache = false;
  env.useBrowserCache = false;
  try {
    return await pipeline("text-classification", folder, {
      subfolder,
      dtype: dtype as "fp32",
      device: "cpu",
      local_files_only: true,
      session_options: threads > 0 ? { intraOpNumThreads: threads } : {},
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InputError(
      `Cannot use reward model ${name}: expected an ONNX text classifier, got one that does not ` +
        `open (${reason.split("\n")[0]})`,
      { cause: error },
    );
  }
}

/**
 * The library. In a Worker it takes `location`, whose origin is "null" there, for that of a web page,
 * and fails on it while it is loaded: for so long there is none.
 */
async function importLibrary() {
  const known = Object.getOwnPropertyDescriptor(globalThis, "location");
  const hidden = known?.configurable && globalThis.location?.origin === "null";
  if (hidden) {
    Object.defineProperty(globalThis, "location", { value: undefined, configurable: true });
  }
  try {
    return await import("@huggingface/transformers");
  } finally {
    if (hidden && known) Object.defineProperty(globalThis, "location", known);
  }
}

/** Fields of config.json that the library does not type. */
interface ClassifierConfig {
  id2label?: Record<string, string>;
  problem_type?: string;
  max_position_embeddings?: number;
}

async function describeClassifier(
  pipe: TextClassificationPipeline,
  folder: string,
): Promise<Classifier> {
  const config = JSON.parse(
    await Deno.readTextFile(join(folder, "config.json")),
  ) as ClassifierConfig;
  const trial: Exchange = { prompt: [{ role: "user", content: "." }], response: "." };
  const [row = []] = await logitsOf(pipe, [trial]);
  const limits = [pipe.tokenizer.model_max_length, config.max_position_embeddings];
  return {
    labels: row.map((_, i) => config.id2label?.[String(i)] ?? `LABEL_${i}`),
    independent: config.problem_type === "multi_label_classification",
    limit: Math.min(...limits.filter((limit): limit is number => typeof limit === "number")),
    chat: hasChatTemplate(pipe),
  };
}

/** The output that rewards each dimension. */
function chooseLabels(
  { labels }: Classifier,
  { dimensions, label, name }: { dimensions: string[]; label: string | null; name: string },
): number[] {
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  const given = label !== null || labels.length === 1;
  if (given && dimensions.length > 1) {
    throw new InputError(
      `Cannot use reward model ${name}: expected a label for each of ${
        dimensions.join(", ")
      }, got ` +
        `one for all; name a source for each, as in ${dimensions[0]}=${name}#label`,
    );
  }
  return dimensions.map((dimension) => {
    if (label === null && labels.length === 1) return 0;
    const index = labels.findIndex((known) => same(known, label ?? dimension));
    if (index >= 0) return index;
    throw new InputError(
      `Cannot use reward model ${name}: expected ${name}#label with a label among ` +
        `${labels.join(", ")}, got ${label ?? "none"}`,
    );
  });
}

/** log p / (1 − p) of a label, from a row of logits. */
function logOdds(row: number[], index: number, { independent }: Classifier): number {
  const own = row[index] ?? NaN;
  if (independent || row.length === 1) return own;
  const others = row.filter((_, i) => i !== index);
  const top = Math.max(...others);
  return own - top - Math.log(others.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
}

/** What of a response the classifier reads. */
type Exchange = Pick<ScoredResponse, "prompt" | "response">;

/** The exchange with as much of the prompt's start left out as the classifier cannot read. */
function shorten(
  pipe: TextClassificationPipeline,
  exchange: Exchange,
  { limit }: Classifier,
): Exchange {
  let { prompt } = exchange;
  const { response } = exchange;
  for (;;) {
    const excess = countTokens(pipe, { prompt, response }) - limit;
    const [first, ...rest] = prompt;
    if (!(excess > 0)) return { prompt, response };
    if (first === undefined) {
      throw new InputError(
        `Cannot score a response: expected at most ${limit} tokens of the classifier, got ` +
          `${limit + excess}`,
      );
    }
    const ids = pipe.tokenizer.encode(first.content, { add_special_tokens: false });
    const kept = excess < ids.length
      ? pipe.tokenizer.decode(ids.slice(excess), { skip_special_tokens: true })
      : "";
    // A text may need as many tokens after the cut as before: then it goes whole.
    prompt = kept !== "" && kept.length < first.content.length
      ? [{ ...first, content: kept }, ...rest]
      : rest;
  }
}

function countTokens(pipe: TextClassificationPipeline, exchange: Exchange): number {
  return encode(pipe, [exchange]).input_ids.dims.at(-1) ?? 0;
}

async function logitsOf(
  pipe: TextClassificationPipeline,
  exchanges: Exchange[],
): Promise<number[][]> {
  const { logits } = await pipe.model(encode(pipe, exchanges)) as { logits: Tensor };
  return logits.tolist() as number[][];
}

/** The model's inputs, padded to the longest of the texts. */
function encode(
  pipe: TextClassificationPipeline,
  exchanges: Exchange[],
): { input_ids: Tensor } {
  const { tokenizer } = pipe;
  if (hasChatTemplate(pipe)) {
    const texts = exchanges.map(({ prompt, response }) => {
      const messages: Message[] = [...prompt, { role: "assistant", content: response }];
      return tokenizer.apply_chat_template(messages, { tokenize: false }) as string;
    });
    return tokenizer(texts, { padding: true, add_special_tokens: false });
  }
  return tokenizer(exchanges.map(({ prompt }) => prompt.map(({ content }) => content).join("\n")), {
    text_pair: exchanges.map(({ response }) => response),
    padding: true,
  });
}

function hasChatTemplate({ tokenizer }: TextClassificationPipeline): boolean {
  return Boolean(tokenizer.chat_template);
}
