// What token generation is built on: a decoder that keeps the keys and values of its sequences and
// gives next-token logits, each sequence under its own preference. core/generate/session.ts
// implements it on ONNX Runtime; sampling, batching and the prefix cache know only this.
import type { Adapter } from "../adapters/adapter.ts";
import type { StoredParameters } from "../adapters/parameters.ts";

/** How the frozen weights are held. */
export type WeightFormat = "float32" | "int8" | "int4";

/**
 * Prompts are computed in chunks that end at multiples of this many tokens, however they come: pieces
 * and prefixes whose lengths are multiples of it give the logits of the whole prompt, bit for bit.
 * With other lengths sums fall into another order, and logits are off by rounding.
 */
export const PROMPT_CHUNK = 64;

/** An adapter as the decoder's graph takes it; made once from stored tensors, shared by all rows. */
export interface DecodeAdapter {
  readonly id: string;
  readonly objectives: number; // M
  readonly bytes: number;
}

/** An adapter as stored: its kind with its settings, and the parameters of every adapted map. */
export interface AdapterSource {
  /** Whatever the caller tells adapters apart by. */
  id: string;
  adapter: Adapter;
  objectives: number; // M
  parameters: StoredParameters;
}

/** Keys and values copied out of a sequence: what the prefix cache keeps. */
export interface Prefix {
  readonly length: number; // tokens
  readonly bytes: number;
}

/** One sequence in decoding: its cache lives inside the decoder. */
export interface Sequence {
  readonly length: number; // tokens in the cache
  /** A copy of the keys and values of the first `length` tokens, all by default. */
  snapshot(length?: number): Prefix;
  /** Frees its place in the cache; calling it again does nothing. */
  dispose(): void;
}

/**
 * A decoder with its weights loaded. One call at a time: each promise is awaited before the next
 * call. A sequence's logits do not depend on which others share a step, bit for bit.
 */
export interface Decoder {
  readonly vocabSize: number; // V
  readonly maxPositions: number;
  /** Keys and values of one token. */
  readonly bytesPerToken: number;
  /** Frozen weights. */
  readonly bytes: number;
  /** Undisposed sequences, and what is reserved for their keys and values. */
  readonly live: { sequences: number; bytes: number };

  /** Lays out an adapter for the graph. Throws InputError when it does not fit the model. */
  loadAdapter(source: AdapterSource): DecodeAdapter;

  /**
   * A new sequence: empty, or one that starts with a copied prefix (of the same adapter and
   * preference). Caller disposes. RangeError for a preference without `objectives` weights.
   */
  start(options: {
    adapter: DecodeAdapter | null;
    preference: number[]; // (M), [] without adapter
    prefix?: Prefix;
  }): Sequence;

  /**
   * Appends ids (at least one; a long prompt may come in pieces) and gives the logits after the
   * last (V), valid until the next call. RangeError beyond `maxPositions` and for unknown ids.
   */
  prefill(sequence: Sequence, ids: ArrayLike<number>): Promise<Float32Array>;

  /**
   * Appends one token to each of several sequences of the same adapter (or of none) and gives
   * their logits, a row each (B, V), valid until the next call. RangeError as `prefill`.
   */
  step(sequences: Sequence[], tokens: ArrayLike<number>): Promise<Float32Array>;

  /** Frees the weights and all caches. */
  dispose(): Promise<void>;
}
