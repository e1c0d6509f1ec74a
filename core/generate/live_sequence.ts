// What lives inside the decoder of core/generate/session.ts: adapters in the layout of the graph,
// sequences with their place in the cache, and prefixes copied out of it.
import { Tensor } from "onnxruntime-common";
import type { DecoderConfig } from "../models/config.ts";
import { adapterInputs, factorRank } from "./adapter_inputs.ts";
import type { AdapterSource, DecodeAdapter, Prefix, Sequence } from "./decoder.ts";
import type { Feeds, StepInputs } from "./graph_inputs.ts";
import { graphNames } from "./graph_names.ts";
import type { KeyValues } from "./key_values.ts";

/** Sequences of one adapter, or of none: those that can share a step. */
export interface Group {
  adapter: RunAdapter;
  cache: KeyValues;
  inputs: StepInputs | null;
}

/** An adapter as a decoder runs it: what the graph takes of it, and of each row's preference. */
export abstract class RunAdapter implements DecodeAdapter {
  abstract readonly id: string;
  abstract readonly objectives: number;
  abstract readonly bytes: number;
  /** Inputs that are the same for all rows. */
  abstract readonly feeds: Feeds;
  /** The input that tells a row's preference, (B, 1, width). */
  abstract readonly rowInput: { name: string; width: number };
  /** A row's values of it. */
  abstract rowValues(preference: number[]): Float32Array;
}

/** An adapter, or none, in the layout of the graph. */
export class LoadedAdapter extends RunAdapter {
  readonly id: string;
  readonly objectives: number;
  readonly bytes: number;
  readonly feeds: Feeds;
  readonly rowInput: { name: string; width: number };

  constructor(config: DecoderConfig, private readonly source: AdapterSource | null) {
    super();
    const inputs = adapterInputs(config, source);
    this.id = source?.id ?? "";
    this.objectives = source?.objectives ?? 0;
    this.rowInput = { name: graphNames.rowFactors, width: factorRank(source) };
    this.bytes = inputs.reduce((sum, { values }) => sum + values.byteLength, 0);
    this.feeds = Object.fromEntries(
      inputs.map(({ name, dims, values }) => [name, new Tensor("float32", values, dims)]),
    );
  }

  override rowValues(preference: number[]): Float32Array {
    return this.source?.adapter.rowFactors(preference) ?? new Float32Array(this.rowInput.width);
  }
}

/** The adapter that lies in an exported graph, which takes λ itself. */
export class IncludedAdapter extends RunAdapter {
  readonly id = "included";
  readonly bytes = 0;
  readonly feeds: Feeds = {};
  readonly rowInput: { name: string; width: number };

  constructor(readonly objectives: number) {
    super();
    this.rowInput = { name: graphNames.preference, width: objectives };
  }

  override rowValues(preference: number[]): Float32Array {
    return Float32Array.from(preference);
  }
}

/** A sequence, and whatever its steps need of it. */
export class LiveSequence implements Sequence {
  length = 0;
  disposed = false;

  constructor(
    readonly group: Group,
    readonly rowValues: Float32Array, // of the adapter's RowInput
    private readonly onDispose: () => void,
  ) {}

  /** Takes new keys and values of `count` tokens in; a sequence disposed meanwhile takes none. */
  append(present: Float32Array, count: number): void {
    if (this.disposed) return;
    const { cache } = this.group;
    cache.write(cache.slotOf(this), present, { at: this.length, count });
    this.length += count;
  }

  snapshot(length = this.length): Prefix {
    if (this.disposed || length < 0 || length > this.length || !Number.isInteger(length)) {
      const found = this.disposed ? "a disposed sequence" : length;
      throw new RangeError(
        `Cannot copy a prefix: expected a length from 0 to ${this.length}, got ${found}`,
      );
    }
    const { cache, adapter } = this.group;
    return new CopiedPrefix(adapter, length, cache.read(cache.slotOf(this), length));
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.group.cache.leave(this);
    this.onDispose();
  }
}

/** Keys and values of the first tokens of a sequence. */
export class CopiedPrefix implements Prefix {
  constructor(
    readonly adapter: RunAdapter,
    readonly length: number,
    readonly copy: Float32Array<ArrayBuffer>,
  ) {}

  get bytes(): number {
    return this.copy.byteLength;
  }
}

/** The sequence as this decoder made it. RangeError for disposed and foreign ones. */
export function ownSequence(sequence: Sequence): LiveSequence {
  if (sequence instanceof LiveSequence && !sequence.disposed) return sequence;
  throw new RangeError("Cannot decode: expected a live sequence, got a disposed or foreign one");
}
