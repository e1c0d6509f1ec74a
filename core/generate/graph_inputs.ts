// What one run of the decoder's graph takes besides weights: a prompt's inputs, made for the run, and
// a step's, kept while the same number of sequences goes on. Called by core/generate/session.ts.
import { Tensor } from "onnxruntime-common";
import type { DecoderConfig } from "../models/config.ts";
import { attentionKinds } from "../models/traits.ts";
import { graphNames } from "./graph_names.ts";
import type { KeyValues } from "./key_values.ts";

/** Inputs of the graph by name. */
export type Feeds = Record<string, Tensor>;

/** What the graph's adapter wants to know of a row: an input (B, 1, W), one row of it. */
export interface RowInput {
  name: string;
  values: Float32Array; // (W)
}

/** Inputs of a run that appends `ids` to the sequence in `slot`, which has `length` tokens. */
export function promptInputs(
  config: DecoderConfig,
  cache: KeyValues,
  { slot, length, ids, row }: { slot: number; length: number; ids: Int32Array; row: RowInput },
): Feeds {
  const count = ids.length;
  const past = length === 0 ? 0 : cache.capacity; // without a past, attention over it is left out
  const masks = attentionKinds(config).map(({ window }, kind) => {
    const mask = promptMask({ length, past, count, window });
    return [
      graphNames.mask(kind),
      new Tensor("float32", mask, [1, 1, 1, count, past + count]),
    ];
  });
  return {
    ...pastTensors(config, cache, { slot, rows: 1, past }),
    ...Object.fromEntries(masks),
    [graphNames.scoreParts]: int64([past, count], [2]),
    [graphNames.ids]: new Tensor("int32", ids, [1, count]),
    [graphNames.positions]: int64(Array.from(ids, (_, i) => length + i), [1, count]),
    [graphNames.outputRows]: new Tensor("int32", Int32Array.of(count - 1), [1]),
    [row.name]: new Tensor("float32", row.values, [1, 1, row.values.length]),
  };
}

/** One token of a sequence in a step. */
export interface StepRow {
  slot: number;
  length: number; // of the sequence before
  id: number;
  values: Float32Array; // (W), of its RowInput
}

/** Inputs of steps over the first `rows` slots, as long as the cache keeps its buffers. */
export class StepInputs {
  readonly feeds: Feeds;
  private readonly ids: Int32Array;
  private readonly positions: BigInt64Array;
  private readonly rowValues: Float32Array;
  private readonly masks: { window: number; values: Float32Array }[];
  private readonly outputRows: Int32Array;
  private readonly generation: number;

  constructor(
    config: DecoderConfig,
    private readonly cache: KeyValues,
    readonly size: { rows: number; outputs: number },
    { name, width }: { name: string; width: number }, // of the RowInput
  ) {
    const { rows, outputs } = size;
    const { capacity, generation } = cache;
    this.generation = generation;
    this.ids = new Int32Array(rows);
    this.positions = new BigInt64Array(rows);
    this.rowValues = new Float32Array(width * rows);
    this.masks = attentionKinds(config).map(({ window }) => ({
      window: window ?? Infinity,
      values: new Float32Array(rows * (capacity + 1)),
    }));
    this.outputRows = new Int32Array(outputs);
    this.feeds = {
      ...pastTensors(config, cache, { slot: 0, rows, past: capacity }),
      [graphNames.scoreParts]: int64([capacity, 1], [2]),
      [graphNames.ids]: new Tensor("int32", this.ids, [rows, 1]),
      [graphNames.positions]: new Tensor("int64", this.positions, [rows, 1]),
      [graphNames.outputRows]: new Tensor("int32", this.outputRows, [outputs]),
      [name]: new Tensor("float32", this.rowValues, [rows, 1, width]),
    };
    this.masks.forEach(({ values }, kind) => {
      const dims = [rows, 1, 1, 1, capacity + 1];
      this.feeds[graphNames.mask(kind)] = new Tensor("float32", values, dims);
    });
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
    for (const { window, values } of this.masks) {
      values.fill(-Infinity);
      for (let slot = 0; slot < this.size.rows; slot++) values[slot * scores + capacity] = 0;
      for (const { slot, length } of rows) {
        const first = Math.max(0, length + 1 - window);
        values.fill(0, slot * scores + first, slot * scores + length);
      }
    }
    rows.forEach(({ slot, length, id, values }, output) => {
      this.ids[slot] = id;
      this.positions[slot] = BigInt(length);
      this.outputRows[output] = slot;
      this.rowValues.set(values, slot * values.length);
    });
  }
}

/** The first `past` tokens of `rows` slots from `slot` on, in the cache's own memory. */
function pastTensors(
  { kvHeads, headDim }: DecoderConfig,
  cache: KeyValues,
  { slot, rows, past }: { slot: number; rows: number; past: number },
): Feeds {
  const dims = [rows, kvHeads, 1, past, headDim];
  const size = past === 0 ? 0 : cache.slotSize;
  return Object.fromEntries(cache.buffers.map((buffer, i) => {
    const { keys, values } = graphNames.past(i >> 1);
    const part = buffer.subarray(slot * size, (slot + rows) * size);
    return [i % 2 === 0 ? keys : values, new Tensor("float32", part, dims)];
  }));
}

/**
 * What a prompt's `count` tokens see of `length` past ones, of which there is room for `past`, and of
 * each other, where they see no more than the last `window` tokens: (count, past + count).
 */
function promptMask({ length, past, count, window }: {
  length: number;
  past: number;
  count: number;
  window: number | null;
}): Float32Array {
  const scores = past + count;
  const mask = new Float32Array(count * scores);
  for (let t = 0; t < count; t++) {
    const row = mask.subarray(t * scores, (t + 1) * scores);
    row.fill(-Infinity, length, past).fill(-Infinity, past + t + 1);
    if (window === null) continue;
    const hidden = Math.max(0, length + t + 1 - window); // tokens before the window
    row.fill(-Infinity, 0, Math.min(hidden, length));
    row.fill(-Infinity, past, past + Math.max(0, hidden - length));
  }
  return mask;
}

function int64(values: number[], dims: number[]): Tensor {
  return new Tensor("int64", BigInt64Array.from(values, BigInt), dims);
}
