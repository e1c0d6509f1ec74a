// What one run of the decoder's graph takes besides weights: a prompt's inputs, made for the run, and
// a step's, kept while the same number of sequences goes on. Called by core/generate/session.ts.
import * as ort from "onnxruntime-node";
import type { DecoderConfig } from "../models/config.ts";
import { graphNames } from "./graph.ts";
import type { KeyValues } from "./key_values.ts";

/** Inputs of the graph by name. */
export type Feeds = Record<string, ort.Tensor>;

/** Inputs of a run that appends `ids` to the sequence in `slot`, which has `length` tokens. */
export function promptInputs(
  config: DecoderConfig,
  cache: KeyValues,
  { slot, length, ids, factors }: {
    slot: number;
    length: number;
    ids: Int32Array;
    factors: Float32Array; // (R)
  },
): Feeds {
  const count = ids.length;
  const past = length === 0 ? 0 : cache.capacity; // without a past, attention over it is left out
  const copies = config.heads / config.kvHeads;
  const mask = promptMask({ length, past, count, copies });
  return {
    ...pastTensors(config, cache, { slot, rows: 1, past }),
    ...shapes(config, { rows: 1, count, past }),
    [graphNames.ids]: new ort.Tensor("int32", ids, [count]),
    [graphNames.positions]: int64(Array.from(ids, (_, i) => length + i), [1, count]),
    [graphNames.mask]: new ort.Tensor("float32", mask, [1, 1, copies * count, past + count]),
    [graphNames.outputRows]: new ort.Tensor("int32", Int32Array.of(count - 1), [1]),
    [graphNames.rowFactors]: new ort.Tensor("float32", factors, [factors.length, 1]),
  };
}

/** One token of a sequence in a step. */
export interface StepRow {
  slot: number;
  length: number; // of the sequence before
  id: number;
  factors: Float32Array; // (R)
}

/** Inputs of steps over the first `rows` slots, as long as the cache keeps its buffers. */
export class StepInputs {
  readonly feeds: Feeds;
  private readonly ids: Int32Array;
  private readonly positions: BigInt64Array;
  private readonly factors: Float32Array;
  private readonly mask: Float32Array;
  private readonly outputRows: Int32Array;
  private readonly generation: number;

  constructor(
    config: DecoderConfig,
    private readonly cache: KeyValues,
    readonly size: { rows: number; outputs: number; rank: number },
  ) {
    const { rows, outputs, rank } = size;
    const { capacity, generation } = cache;
    this.generation = generation;
    this.ids = new Int32Array(rows);
    this.positions = new BigInt64Array(rows);
    this.factors = new Float32Array(rank * rows);
    this.mask = new Float32Array(rows * (capacity + 1));
    this.outputRows = new Int32Array(outputs);
    this.feeds = {
      ...pastTensors(config, cache, { slot: 0, rows, past: capacity }),
      ...shapes(config, { rows, count: 1, past: capacity }),
      [graphNames.ids]: new ort.Tensor("int32", this.ids, [rows]),
      [graphNames.positions]: new ort.Tensor("int64", this.positions, [rows, 1]),
      [graphNames.mask]: new ort.Tensor("float32", this.mask, [rows, 1, 1, capacity + 1]),
      [graphNames.outputRows]: new ort.Tensor("int32", this.outputRows, [outputs]),
      [graphNames.rowFactors]: new ort.Tensor("float32", this.factors, [rank, rows]),
    };
  }

  /** Whether these inputs serve a step of that size now. */
  serves({ rows, outputs }: { rows: number; outputs: number }): boolean {
    const { size, generation, cache } = this;
    return size.rows === rows && size.outputs === outputs && generation === cache.generation;
  }

  /** Sets the step's rows; their logits come in this order. Slots without a row see nothing. */
  set(rows: StepRow[]): void {
    const { capacity } = this.cache;
    const scores = capacity + 1;
    this.mask.fill(-Infinity);
    for (let slot = 0; slot < this.size.rows; slot++) this.mask[slot * scores + capacity] = 0;
    rows.forEach(({ slot, length, id, factors }, output) => {
      this.ids[slot] = id;
      this.positions[slot] = BigInt(length);
      this.outputRows[output] = slot;
      this.mask.fill(0, slot * scores, slot * scores + length);
      factors.forEach((factor, r) => this.factors[r * this.size.rows + slot] = factor);
    });
  }
}

/** The first `past` tokens of `rows` slots from `slot` on, in the cache's own memory. */
function pastTensors(
  { kvHeads, headDim }: DecoderConfig,
  cache: KeyValues,
  { slot, rows, past }: { slot: number; rows: number; past: number },
): Feeds {
  const dims = [rows, kvHeads, past, headDim];
  const size = past === 0 ? 0 : cache.slotSize;
  return Object.fromEntries(cache.buffers.map((buffer, i) => {
    const { keys, values } = graphNames.past(i >> 1);
    const part = buffer.subarray(slot * size, (slot + rows) * size);
    return [i % 2 === 0 ? keys : values, new ort.Tensor("float32", part, dims)];
  }));
}

/** Sizes that the graph cannot tell from its other inputs. */
function shapes(
  { heads, kvHeads, headDim }: DecoderConfig,
  { rows, count, past }: { rows: number; count: number; past: number },
): Feeds {
  return {
    [graphNames.headShape]: int64([rows, count, heads + 2 * kvHeads, headDim], [4]),
    [graphNames.scoreParts]: int64([past, count], [2]),
  };
}

/**
 * What a prompt's `count` tokens see of `length` past ones, of which there is room for `past`, and of
 * each other; a row for every token, `copies` times over: (copies·count, past + count).
 */
function promptMask({ length, past, count, copies }: {
  length: number;
  past: number;
  count: number;
  copies: number;
}): Float32Array {
  const scores = past + count;
  const once = new Float32Array(count * scores);
  for (let t = 0; t < count; t++) {
    const row = once.subarray(t * scores, (t + 1) * scores);
    row.fill(-Infinity, length, past).fill(-Infinity, past + t + 1);
  }
  const mask = new Float32Array(copies * once.length);
  for (let copy = 0; copy < copies; copy++) mask.set(once, copy * once.length);
  return mask;
}

function int64(values: number[], dims: number[]): ort.Tensor {
  return new ort.Tensor("int64", BigInt64Array.from(values, BigInt), dims);
}
