// A decoder over the keys and values of all live sequences: what goes into each run of the graph of
// core/generate/graph.ts and what comes out of it. Sequences of one adapter share steps, each with its
// own preference; prompts run alone. Opened by core/generate/session.ts, and in browsers by the page
// that an export brings.
import { InputError } from "../errors.ts";
import type { DecoderConfig } from "../models/config.ts";
import {
  type AdapterSource,
  type DecodeAdapter,
  type Decoder,
  type Prefix,
  PROMPT_CHUNK,
  type Sequence,
} from "./decoder.ts";
import { type Feeds, promptInputs, StepInputs, type StepRow } from "./graph_inputs.ts";
import { graphNames } from "./graph_names.ts";
import { KeyValues } from "./key_values.ts";
import {
  CopiedPrefix,
  type Group,
  LiveSequence,
  LoadedAdapter,
  ownSequence,
  RunAdapter,
} from "./live_sequence.ts";

/** Sequences of one run at most: rows of larger steps gain nothing more. */
const MAX_ROWS = 64;

/** Where a graph runs: ONNX Runtime's session, of this machine or of a browser. */
export interface GraphSession {
  run(feeds: Feeds): Promise<Record<string, { data: unknown }>>;
  release(): Promise<void>;
}

/** What a decoder must know of its graph. */
export interface GraphFacts {
  config: DecoderConfig;
  /** What sequences without an adapter run under. */
  base: RunAdapter;
  bytes: number; // of its weights
}

/** A decoder that runs a graph of core/generate/graph.ts. */
export class OnnxDecoder implements Decoder {
  readonly vocabSize: number;
  readonly maxPositions: number;
  readonly bytesPerToken: number;
  readonly bytes: number;
  private readonly config: DecoderConfig;
  private readonly base: RunAdapter;
  private readonly groups = new Map<RunAdapter, Group>();
  /**
   * Rows of every step at least. A stack of one matrix is none: with a single key head ONNX Runtime
   * would round a lone sequence differently from one among others.
   */
  private readonly leastRows: number;
  private sequences = 0;
  private running = false;
  private disposed = false;

  constructor(
    private readonly session: GraphSession,
    { config, base, bytes }: GraphFacts,
  ) {
    this.config = config;
    this.vocabSize = config.vocabSize;
    this.maxPositions = config.maxPositions;
    this.bytesPerToken = 2 * config.layers * config.kvHeads * config.headDim * 4;
    this.bytes = bytes;
    this.base = base;
    this.leastRows = config.kvHeads === 1 ? 2 : 1;
  }

  get live(): { sequences: number; bytes: number } {
    let bytes = 0;
    for (const { cache } of this.groups.values()) bytes += cache.bytes;
    return { sequences: this.sequences, bytes };
  }

  loadAdapter(source: AdapterSource): DecodeAdapter {
    return new LoadedAdapter(this.config, source);
  }

  start({ adapter, preference, prefix }: {
    adapter: DecodeAdapter | null;
    preference: number[];
    prefix?: Prefix;
  }): Sequence {
    const { objectives } = adapter ?? this.base;
    if (preference.length !== objectives) {
      throw new RangeError(
        `Cannot start a sequence: expected a preference of ${objectives} weights, ` +
          `got ${preference.length}`,
      );
    }
    const group = this.groupOf(adapter ?? this.base);
    const rowValues = group.adapter.rowValues(preference);
    const sequence = new LiveSequence(group, rowValues, () => {
      this.sequences -= 1;
      if (group.cache.isEmpty) this.groups.delete(group.adapter);
    });
    if (prefix !== undefined) {
      if (!(prefix instanceof CopiedPrefix) || prefix.adapter !== group.adapter) {
        throw new RangeError(
          "Cannot start a sequence: expected a prefix of its own adapter, got another's",
        );
      }
      sequence.length = prefix.length;
    }
    group.cache.enter(sequence);
    this.sequences += 1;
    if (prefix instanceof CopiedPrefix) {
      const place = { at: 0, count: prefix.length };
      group.cache.write(group.cache.slotOf(sequence), prefix.copy, place);
    }
    return sequence;
  }

  async prefill(sequence: Sequence, ids: ArrayLike<number>): Promise<Float32Array> {
    const live = ownSequence(sequence);
    this.checkIds(ids);
    this.checkRoom(live, ids.length);
    return await this.alone(async () => {
      let logits: Float32Array = new Float32Array();
      for (let start = 0; start < ids.length && !live.disposed;) {
        const toBoundary = PROMPT_CHUNK - live.length % PROMPT_CHUNK;
        const count = Math.min(toBoundary, ids.length - start);
        const chunk = Int32Array.from({ length: count }, (_, i) => ids[start + i] ?? 0);
        logits = await this.runPrompt(live, chunk);
        start += count;
      }
      return logits;
    });
  }

  async step(sequences: Sequence[], tokens: ArrayLike<number>): Promise<Float32Array> {
    const live = sequences.map(ownSequence);
    const group = live[0]?.group;
    if (
      group === undefined || tokens.length !== live.length || new Set(live).size !== live.length ||
      live.some((sequence) => sequence.group !== group)
    ) {
      throw new RangeError(
        "Cannot step: expected different sequences of one adapter and a token for each, got " +
          `${live.length} sequences and ${tokens.length} tokens`,
      );
    }
    this.checkIds(tokens);
    live.forEach((sequence) => this.checkRoom(sequence, 1));
    const ids = Array.from(tokens);
    return await this.alone(async () => {
      if (live.length <= MAX_ROWS) return await this.runStep(group, live, ids);
      const logits = new Float32Array(live.length * this.vocabSize);
      for (let start = 0; start < live.length; start += MAX_ROWS) {
        const end = start + MAX_ROWS;
        const part = await this.runStep(group, live.slice(start, end), ids.slice(start, end));
        logits.set(part, start * this.vocabSize);
      }
      return logits;
    });
  }

  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    this.groups.clear();
    await this.session.release();
  }

  private async runPrompt(sequence: LiveSequence, ids: Int32Array): Promise<Float32Array> {
    const { group: { cache, adapter }, rowValues, length } = sequence;
    const row = { name: adapter.rowInput.name, values: rowValues };
    const count = ids.length;
    cache.fit(new Set([sequence]), { more: count });
    const slot = cache.slotOf(sequence);
    const { logits, present } = await this.run({
      ...adapter.feeds,
      ...promptInputs(this.config, cache, { slot, length, ids, row }),
    });
    sequence.append(present, count);
    return logits;
  }

  private async runStep(
    group: Group,
    sequences: LiveSequence[],
    ids: number[],
  ): Promise<Float32Array> {
    const { cache, adapter } = group;
    const size = {
      rows: Math.max(sequences.length, this.leastRows),
      outputs: sequences.length,
    };
    const members = new Set(sequences);
    cache.fit(members, { more: 1, rows: size.rows });
    cache.arrange(members, size.rows);
    const inputs = group.inputs?.serves(size)
      ? group.inputs
      : group.inputs = new StepInputs(this.config, cache, size, adapter.rowInput);
    const rows = sequences.map((sequence, i): StepRow => ({
      slot: cache.slotOf(sequence),
      length: sequence.length,
      id: ids[i] ?? 0,
      values: sequence.rowValues,
    }));
    inputs.set(rows);
    const { logits, present } = await this.run({ ...adapter.feeds, ...inputs.feeds });
    const each = present.length / size.rows;
    sequences.forEach((sequence, i) => {
      const slot = rows[i]?.slot ?? 0;
      sequence.append(present.subarray(slot * each, (slot + 1) * each), 1);
    });
    return logits;
  }

  private async run(feeds: Feeds): Promise<{ logits: Float32Array; present: Float32Array }> {
    const results = await this.session.run(feeds);
    const logits = results[graphNames.logits]?.data;
    const present = results[graphNames.present]?.data;
    if (logits instanceof Float32Array && present instanceof Float32Array) {
      return { logits, present };
    }
    throw new TypeError("Cannot decode: expected float32 results of ONNX Runtime, got others");
  }

  private groupOf(adapter: DecodeAdapter): Group {
    if (!(adapter instanceof RunAdapter)) {
      throw new InputError(
        "Cannot start a sequence: expected an adapter loaded by this decoder, got another's",
      );
    }
    let group = this.groups.get(adapter);
    if (group === undefined) {
      group = { adapter, cache: new KeyValues(this.config), inputs: null };
      this.groups.set(adapter, group);
    }
    return group;
  }

  private checkIds(ids: ArrayLike<number>): void {
    if (ids.length === 0) throw new RangeError("Cannot decode: expected at least one id, got none");
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] ?? -1;
      if (Number.isInteger(id) && id >= 0 && id < this.vocabSize) continue;
      throw new RangeError(
        `Cannot decode: expected ids from 0 to ${this.vocabSize - 1}, got ${id}`,
      );
    }
  }

  private checkRoom({ length }: Sequence, more: number): void {
    if (length + more <= this.maxPositions) return;
    throw new RangeError(
      `Cannot decode: expected at most ${this.maxPositions} tokens, got ${length + more}`,
    );
  }

  /** Runs `fn`, the only one: sequences move between slots before each run. */
  private async alone<T>(fn: () => Promise<T>): Promise<T> {
    const found = this.disposed ? "a disposed one" : this.running ? "a running one" : null;
    if (found !== null) {
      throw new TypeError(`Cannot decode: expected an idle decoder, got ${found}`);
    }
    this.running = true;
    try {
      return await fn();
    } finally {
      this.running = false;
    }
  }
}
