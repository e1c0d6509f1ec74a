// A reward model: the trunk of a frozen decoder, with an adapter or without, and a scalar head that
// reads M scores off the last token of every response. Here are its passes: batches with gradients for
// core/train.ts, through the trunk or over features kept from it, and scores alone for whoever asks
// what a response is worth (core/rewards). A response's score never depends on a preference.
import * as tf from "@tensorflow/tfjs-core";
import type { BlockParameters } from "./adapters/parameters.ts";
import type { BatchPass } from "./batch_pass.ts";
import type { BlockGradients } from "./block_stack.ts";
import type { Engine } from "./engine/engine.ts";
import { addGradients } from "./gradients.ts";
import type { ScalarHead } from "./models/scalar_head.ts";
import { hiddenGradient, predictingRows } from "./predicting.ts";
import { type Pack, packSequences, type Sequence } from "./text/pack.ts";
import { type ResponseEnds, responseEnds } from "./text/response_ends.ts";
import type { HiddenTrace, Trunk } from "./trunk.ts";

/** What a reward model is made of; `score` holds one tensor (M, D) and is read at each call. */
export interface RewardParts {
  trunk: Trunk;
  head: ScalarHead;
  score: BlockParameters;
}

export interface PackSizes {
  rowLength: number; // tokens of a packed row
  maxTokens: number; // of one pass through the trunk
}

/** What a trunk is given where no preference matters: every row of every reward model. */
export const NO_PREFERENCE = [0];

/** Scores (S, M) with gradients of the trunk's parameters, by block, and of the head's, last. */
export function rewardPass(
  engine: Engine,
  { trunk, head, score }: RewardParts,
  sizes: PackSizes,
): BatchPass {
  return {
    async forward(sequences) {
      const { packs, preferences } = layOut(sequences, sizes);
      const weight = weightOf(score);
      const M = weight.shape[0];
      const values = new Float32Array(sequences.length * M);
      const traces: { trace: HiddenTrace; pack: Pack; ends: ResponseEnds }[] = [];
      const dispose = () => traces.forEach(({ trace }) => trace.dispose());
      try {
        for (const pack of packs) {
          const ends = responseEnds(pack);
          const trace = trunk.hiddenWithGradient(pack, preferences);
          traces.push({ trace, pack, ends });
          const scores = tf.tidy(() => head.values(endRows(engine, trace.hidden, ends), weight));
          await scatter(scores, { ends, M, into: values });
        }
      } catch (error) {
        dispose();
        throw error;
      }
      return {
        values,
        dispose,
        backward(slopes) {
          let sum: BlockGradients[] | null = null;
          for (const { trace, pack, ends } of traces) {
            const own = slopesOf(slopes, { ends, M });
            const rows = endRows(engine, trace.hidden, ends);
            const gradients = head.pullBack(rows, weight, own);
            const dy = hiddenGradient(engine, {
              slopes: gradients.hidden,
              weights: new Float32Array(ends.positions.length).fill(1),
              pack: { predicting: ends.positions, ids: pack.ids },
            });
            [own, rows, gradients.hidden].forEach((tensor) => tensor.dispose());
            const blocks = trace.backward(dy);
            dy.dispose();
            sum = addGradients(sum, [...blocks, [gradients.weight]]);
          }
          return Promise.resolve(sum ?? []);
        },
      };
    },
  };
}

/**
 * The same where the trunk is frozen: scores (S, M) out of the features that `rewardFeatures` keeps,
 * which is asked for them once, at the first batch; with the gradient of the head alone. Throws
 * RangeError for a sequence whose features are not kept.
 */
export function featurePass(
  { head, score }: Pick<RewardParts, "head" | "score">,
  features: () => Promise<RewardFeatures>,
): BatchPass {
  let kept: Promise<RewardFeatures> | undefined;
  return {
    async forward(sequences) {
      const weight = weightOf(score);
      const hidden = (await (kept ??= features())).rows(sequences);
      const scores = head.values(hidden, weight);
      const values = await scores.data() as Float32Array;
      scores.dispose();
      const dispose = () => hidden.dispose();
      return {
        values,
        dispose,
        backward(slopes) {
          const own = tf.tensor2d(slopes, [sequences.length, weight.shape[0]]);
          const gradients = head.pullBack(hidden, weight, own);
          [own, gradients.hidden].forEach((tensor) => tensor.dispose());
          dispose();
          return Promise.resolve([[gradients.weight]]);
        },
      };
    },
  };
}

/** Hidden states at the ends of responses, on the host; equal sequences are kept once. */
export interface RewardFeatures {
  /** Those of sequences (S, D). Caller disposes. */
  rows(sequences: Sequence[]): tf.Tensor2D;
}

/** Progress of a long pass, in sequences; throws the signal's reason when it aborts. */
export interface PassOptions extends PackSizes {
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/** The trunk's output at the end of every response. */
export async function rewardFeatures(
  engine: Engine,
  { trunk, width }: { trunk: Trunk; width: number }, // width: D of the decoder
  { sequences, ...options }: { sequences: Sequence[] } & PassOptions,
): Promise<RewardFeatures> {
  const { distinct, places } = distinctSequences(sequences);
  const kept = new Float32Array(distinct.length * width);
  await eachPack(engine, trunk, distinct, options, async (hidden, ends) => {
    await scatter(hidden, { ends, M: width, into: kept });
  });
  return {
    rows(wanted) {
      const rows = new Float32Array(wanted.length * width);
      wanted.forEach((sequence, s) => {
        const place = places.get(keyOf(sequence));
        if (place === undefined) {
          throw new RangeError(`Cannot score sequence ${s}: expected one whose features are kept`);
        }
        rows.set(kept.subarray(place * width, (place + 1) * width), s * width);
      });
      return tf.tensor2d(rows, [wanted.length, width]);
    },
  };
}

/** Scores of sequences (S·M), row-major, without a gradient; equal sequences are computed once. */
export async function scoreResponses(
  engine: Engine,
  { trunk, head, score }: RewardParts,
  { sequences, ...options }: { sequences: Sequence[] } & PassOptions,
): Promise<Float32Array> {
  const M = weightOf(score).shape[0];
  const { distinct, places } = distinctSequences(sequences);
  const table = new Float32Array(distinct.length * M);
  await eachPack(engine, trunk, distinct, options, async (hidden, ends) => {
    const scores = head.values(hidden, weightOf(score));
    hidden.dispose();
    await scatter(scores, { ends, M, into: table });
  });
  const values = new Float32Array(sequences.length * M);
  sequences.forEach((sequence, s) => {
    const place = places.get(keyOf(sequence)) ?? 0;
    values.set(table.subarray(place * M, (place + 1) * M), s * M);
  });
  return values;
}

/** Packs laid out together: enough that rows fill up, few enough to stay small in memory. */
const PACKS_PER_BLOCK = 8;

/** Calls `use` with the hidden states at the ends of each pack (n, D), which it disposes. */
async function eachPack(
  engine: Engine,
  trunk: Trunk,
  sequences: Sequence[],
  { onProgress, signal, ...sizes }: PassOptions,
  use: (hidden: tf.Tensor2D, ends: ResponseEnds) => Promise<void>,
): Promise<void> {
  const budget = PACKS_PER_BLOCK * sizes.maxTokens;
  for (let start = 0; start < sequences.length;) {
    const first = start;
    for (let tokens = 0; start < sequences.length && (start === first || tokens < budget);) {
      const { prompt, response } = sequences[start++] as Sequence;
      tokens += prompt.length + response.length;
    }
    const { packs, preferences } = layOut(sequences.slice(first, start), sizes);
    for (const pack of packs) {
      signal?.throwIfAborted();
      const ends = responseEnds(pack);
      const rows = tf.tidy(() => endRows(engine, trunk.hidden(pack, preferences), ends));
      const owners = ends.owners.map((owner) => first + owner);
      await use(rows, { positions: ends.positions, owners });
      await new Promise((resolve) => setTimeout(resolve)); // signals and progress get a turn
    }
    onProgress?.(start, sequences.length);
  }
}

/** Responses to one prompt share it, as all have the same preference. */
function layOut(sequences: Sequence[], sizes: PackSizes) {
  const preferences = sequences.map(() => NO_PREFERENCE);
  return { packs: packSequences(sequences, { ...sizes, preferences }), preferences };
}

function endRows(engine: Engine, hidden: tf.Tensor2D, ends: ResponseEnds): tf.Tensor2D {
  return predictingRows(engine, hidden, { predicting: ends.positions });
}

/** Reads rows (n, M) off the back end into the rows of their sequences, and disposes them. */
async function scatter(
  rows: tf.Tensor2D,
  { ends, M, into }: { ends: ResponseEnds; M: number; into: Float32Array },
): Promise<void> {
  const values = await rows.data() as Float32Array;
  rows.dispose();
  ends.owners.forEach((owner, n) => into.set(values.subarray(n * M, (n + 1) * M), owner * M));
}

/** The slopes of a pack's sequences (n, M) out of a batch's (S·M). */
function slopesOf(
  slopes: Float32Array,
  { ends, M }: { ends: ResponseEnds; M: number },
): tf.Tensor2D {
  const own = new Float32Array(ends.owners.length * M);
  ends.owners.forEach((owner, n) => own.set(slopes.subarray(owner * M, (owner + 1) * M), n * M));
  return tf.tensor2d(own, [ends.owners.length, M]);
}

function weightOf({ tensors: [weight] }: BlockParameters): tf.Tensor2D {
  if (weight?.shape.length === 2) return weight as tf.Tensor2D;
  throw new TypeError(
    `Cannot score: expected a head's weight (M, D), got shape [${weight?.shape ?? ""}]`,
  );
}

/** Each sequence once, in the order of its first appearance, and its place there by its key. */
function distinctSequences(sequences: Sequence[]) {
  const places = new Map<string, number>();
  const distinct = sequences.filter((sequence) => {
    const key = keyOf(sequence);
    if (places.has(key)) return false;
    places.set(key, places.size);
    return true;
  });
  return { distinct, places };
}

function keyOf({ prompt, response }: Sequence): string {
  return `${prompt}|${response}`;
}
