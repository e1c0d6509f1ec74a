// Makes the base model of the built-in world: world, tokenizer and corpus from their seeds, a small
// decoder trained from random weights, its files written, and the result measured as every later
// run will see it: opened from its folder.
import { dirname } from "node:path";
import { disposeParameters, readParameters } from "../core/adapters/parameters.ts";
import type { Engine } from "../core/engine/mod.ts";
import { scoreSequences } from "../core/front/evaluate.ts";
import { familyOfConfigJson } from "../core/models/families.ts";
import { initialWeights } from "../core/models/initial_weights.ts";
import { createFullPolicy, loadWeights } from "../core/full_policy.ts";
import { createPolicy } from "../core/policy.ts";
import { pretrain, type PretrainStep, tokenLoss } from "../core/pretrain.ts";
import { Random } from "../core/random.ts";
import { tokenizeInstructions } from "../core/text/instructions.ts";
import { type ChatTokenizer, createTokenizer } from "../core/text/tokenizer.ts";
import type { InstructionExample } from "../core/text/example.ts";
import { rowLengthFor, type Sequence } from "../core/text/pack.ts";
import { heldOutCorpus, sftCorpus } from "../data/builtin/corpus.ts";
import { instructionDataset } from "../data/datasets/instructions/mod.ts";
import { baseConfigJson, baseModelFiles, MAX_POSITIONS } from "../data/builtin/model_files.ts";
import { builtinTokenizer } from "../data/builtin/tokenizer.ts";
import { createWorld, type World } from "../data/builtin/world.ts";
import { reportingStorage, writeFolderAtomic } from "../data/store/atomic.ts";
import { type EngineRequest, loadBase, startEngine } from "./machine.ts";
import type { BuiltinReport, SessionOptions } from "./protocol.ts";

/** How the base model is made. */
export interface BuiltinRequest extends Omit<EngineRequest, "dtype"> {
  output_dir: string;
  seed: number;
  steps: number;
  learning_rate: number;
}

/** Tokens of a step, padding included. */
const TOKENS_PER_STEP = 4096;

/**
 * The final norm's weights start at this instead of 1. They bound the logits, and the answers' first
 * words, all equally likely in the corpus, get nearly equal embeddings: from 1, no adapter of the
 * blocks can make one of these words likelier than 0.63 (docs/log.md).
 */
const FINAL_NORM_START = 3;
const FINAL_NORM = "model.norm.weight";

/** Times that the held-out loss is taken during training. */
const EVALUATIONS = 10;

/** Trains and writes the base model. Nothing is written when the signal aborts: that throws. */
export async function runBuiltin(
  request: BuiltinRequest,
  options: SessionOptions,
): Promise<BuiltinReport> {
  const world = createWorld();
  const tokenizerFiles = builtinTokenizer(world);
  const configJson = baseConfigJson(tokenizerFiles);
  const config = familyOfConfigJson(configJson, "config.json")
    .fromConfigJson(configJson, "config.json");
  const tokenizer = createTokenizer({ kind: "huggingface", ...tokenizerFiles }, config);
  const sequences = toSequences(sftCorpus(world), tokenizer);
  const heldOut = toSequences(heldOutCorpus(world), tokenizer);

  const engine = await startEngine({ ...request, dtype: "float32" }, options);
  const initial = initialWeights(config, new Random(request.seed).fork("weights"));
  initial.set(FINAL_NORM, Float32Array.from(initial.get(FINAL_NORM) ?? [], () => FINAL_NORM_START));
  const parameters = await loadWeights(config, (name) => initial.get(name) ?? new Float32Array());
  const policy = createFullPolicy(engine, config, parameters);
  const start = performance.now();
  try {
    const rowLength = rowLengthFor([...sequences, ...heldOut]);
    const scoring = { rowLength, maxTokens: TOKENS_PER_STEP, signal: options.signal };
    const run = pretrain({ engine, policy, parameters, sequences }, {
      seed: request.seed,
      steps: request.steps,
      learningRate: request.learning_rate,
      warmupRatio: 0.05,
      weightDecay: 0.1,
      maxGradNorm: 1,
      rowLength,
      maxTokens: TOKENS_PER_STEP,
    });
    const every = Math.ceil(request.steps / EVALUATIONS);
    let heldOutLoss = NaN;
    let tokens = 0;
    for await (const figures of run) {
      await new Promise((resolve) => setTimeout(resolve)); // a signal gets its turn
      options.signal.throwIfAborted();
      tokens += figures.tokens;
      if (figures.step % every === 0) {
        const [scores] = await scoreSequences(policy, heldOut, [[]], scoring);
        heldOutLoss = tokenLoss(heldOut, scores ?? new Float32Array());
      }
      options.onEvent(stepEvent(figures, { heldOutLoss, tokens, start }));
    }
    const seconds = (performance.now() - start) / 1000;

    const files = baseModelFiles(configJson, await readParameters(parameters), tokenizerFiles);
    const folder = request.output_dir;
    await reportingStorage(folder, 0, () => Deno.mkdir(dirname(folder), { recursive: true }));
    await writeFolderAtomic(folder, files);

    return {
      model: folder,
      parameters: [...initial.values()].reduce((sum, { length }) => sum + length, 0),
      bytes: Object.values(files).reduce((sum, { length }) => sum + length, 0),
      steps: request.steps,
      seconds,
      ...await measure(engine, folder, { world, heldOut, scoring, options }),
    };
  } finally {
    disposeParameters(parameters);
    engine.dispose();
  }
}

/** Held-out loss and shares of the answers of the model in a folder, on unseen prompts. */
async function measure(
  engine: Engine,
  folder: string,
  { world, heldOut, scoring, options }: {
    world: World;
    heldOut: Sequence[];
    scoring: { rowLength: number; maxTokens: number; signal: AbortSignal };
    options: SessionOptions;
  },
): Promise<Pick<BuiltinReport, "heldOutLoss" | "shares">> {
  const base = await loadBase(engine, { model: folder, revision: "main" }, options);
  try {
    const policy = createPolicy(engine, base.decoder, null);
    const [scores = new Float32Array()] = await scoreSequences(policy, heldOut, [[]], scoring);
    return { heldOutLoss: tokenLoss(heldOut, scores), shares: answerShares(world, scores) };
  } finally {
    base.decoder.dispose();
  }
}

/** Per kind of answer, its least, mean and largest share among the answers of a test prompt. */
function answerShares(world: World, scores: Float32Array): BuiltinReport["shares"] {
  const byKind = new Map<string, number[]>();
  let at = 0;
  for (const { answers } of world.test) {
    const weights = answers.map(() => Math.exp(scores[at++] ?? NaN));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    answers.forEach(({ kind }, a) => {
      byKind.set(kind, [...byKind.get(kind) ?? [], (weights[a] ?? NaN) / total]);
    });
  }
  return Object.fromEntries([...byKind].map(([kind, shares]) => [kind, {
    least: Math.min(...shares),
    mean: shares.reduce((sum, share) => sum + share, 0) / shares.length,
    most: Math.max(...shares),
  }]));
}

function toSequences(examples: InstructionExample[], tokenizer: ChatTokenizer): Sequence[] {
  const options = { maxLength: MAX_POSITIONS, overlong: "drop" } as const;
  return tokenizeInstructions(tokenizer, instructionDataset(examples), options).sequences;
}

function stepEvent(
  { step, steps, loss, learningRate, gradNorm }: PretrainStep,
  { heldOutLoss, tokens, start }: { heldOutLoss: number; tokens: number; start: number },
) {
  const seconds = (performance.now() - start) / 1000;
  const losses = { corpus: loss, ...Number.isFinite(heldOutLoss) && { "held out": heldOutLoss } };
  return {
    type: "step" as const,
    step,
    steps,
    loss,
    losses,
    accuracies: {},
    learningRate,
    gradNorm,
    tokens,
    seconds,
    tokensPerSecond: tokens / seconds,
    etaSeconds: seconds / step * (steps - step),
  };
}
