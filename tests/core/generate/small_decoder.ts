// A decoder small enough to be exact: its logits are a hash of everything they may depend on (the
// sequence's tokens, adapter, λ), so that an answer shows every token that was lost, added or taken
// from another sequence. It checks the contract of core/generate/decoder.ts as it is used.
import assert from "node:assert/strict";
import type {
  AdapterSource,
  DecodeAdapter,
  Decoder,
  Prefix,
  Sequence,
} from "../../../core/generate/decoder.ts";
import type { TextModel } from "../../../core/generate/request.ts";

const BYTES_PER_TOKEN = 1000;

interface SmallOptions {
  vocabSize?: number;
  maxPositions?: number;
  /** Called at every step and prefill, before its result is there. */
  onCall?: (call: Call) => void | Promise<void>;
  /** Logits (V) after some tokens; a hash of all that is given by default. */
  logitsOf?: (state: { tokens: number[]; adapter: string; preference: number[] }) => Float32Array;
}

export interface Call {
  kind: "prefill" | "step";
  adapter: string;
  rows: { tokens: number[]; preference: number[] }[]; // as they are after the call
  /** Tokens of a prefill. */
  count: number;
}

class SmallSequence implements Sequence {
  tokens: number[] = [];
  disposed = false;
  constructor(
    readonly owner: SmallDecoder,
    readonly adapter: DecodeAdapter | null,
    readonly preference: number[],
  ) {}

  get length(): number {
    return this.tokens.length;
  }

  snapshot(length = this.length): Prefix {
    assert.ok(!this.disposed && !this.owner.busy && length <= this.length);
    return new SmallPrefix(this.tokens.slice(0, length), this.adapter, this.preference);
  }

  dispose(): void {
    assert.ok(!this.owner.busy, "dispose() during a call");
    if (!this.disposed) this.owner.alive.delete(this);
    this.disposed = true;
  }
}

class SmallPrefix implements Prefix {
  readonly length: number;
  readonly bytes: number;
  constructor(
    readonly tokens: number[],
    readonly adapter: DecodeAdapter | null,
    readonly preference: number[],
  ) {
    this.length = tokens.length;
    this.bytes = tokens.length * BYTES_PER_TOKEN;
  }
}

export class SmallDecoder implements Decoder {
  readonly vocabSize: number;
  readonly maxPositions: number;
  readonly bytesPerToken = BYTES_PER_TOKEN;
  readonly bytes = 0;
  readonly alive = new Set<SmallSequence>();
  readonly calls: Call[] = [];
  busy = false;

  constructor(private readonly options: SmallOptions = {}) {
    this.vocabSize = options.vocabSize ?? 40;
    this.maxPositions = options.maxPositions ?? 1024;
  }

  get live(): { sequences: number; bytes: number } {
    const tokens = [...this.alive].reduce((sum, { length }) => sum + length, 0);
    return { sequences: this.alive.size, bytes: tokens * BYTES_PER_TOKEN };
  }

  loadAdapter({ id, objectives }: AdapterSource): DecodeAdapter {
    return { id, objectives, bytes: 0 };
  }

  start({ adapter, preference, prefix }: {
    adapter: DecodeAdapter | null;
    preference: number[];
    prefix?: Prefix;
  }): Sequence {
    assert.ok(!this.busy, "start() during a call");
    const sequence = new SmallSequence(this, adapter, preference);
    if (prefix !== undefined) {
      assert.ok(prefix instanceof SmallPrefix);
      assert.equal(prefix.adapter, adapter, "a prefix of another adapter");
      assert.deepEqual(prefix.preference, preference, "a prefix of another λ");
      sequence.tokens = [...prefix.tokens];
    }
    this.alive.add(sequence);
    return sequence;
  }

  prefill(sequence: Sequence, ids: ArrayLike<number>): Promise<Float32Array> {
    return this.run("prefill", [sequence], [Array.from(ids)]);
  }

  step(sequences: Sequence[], tokens: ArrayLike<number>): Promise<Float32Array> {
    assert.equal(sequences.length, tokens.length);
    return this.run("step", sequences, Array.from(tokens, (token) => [token]));
  }

  async dispose(): Promise<void> {
    assert.equal(this.alive.size, 0);
    await Promise.resolve();
  }

  private async run(
    kind: Call["kind"],
    sequences: Sequence[],
    added: number[][],
  ): Promise<Float32Array> {
    assert.ok(!this.busy, "two calls at a time");
    this.busy = true;
    const rows = sequences.map((sequence) => {
      assert.ok(sequence instanceof SmallSequence && !sequence.disposed);
      return sequence;
    });
    try {
      assert.ok(rows.length > 0 && new Set(rows).size === rows.length);
      assert.equal(new Set(rows.map(({ adapter }) => adapter)).size, 1, "adapters in one step");
      rows.forEach((row, i) => {
        assert.ok(added[i]?.every((id) => id >= 0 && id < this.vocabSize));
        row.tokens.push(...added[i] ?? []);
        assert.ok(row.length <= this.maxPositions);
      });
      const call = {
        kind,
        adapter: rows[0]?.adapter?.id ?? "",
        rows: rows.map(({ tokens, preference }) => ({ tokens: [...tokens], preference })),
        count: added[0]?.length ?? 0,
      };
      this.calls.push(call);
      await this.options.onCall?.(call);
      const logits = new Float32Array(rows.length * this.vocabSize);
      rows.forEach(({ tokens, preference, adapter }, i) => {
        const of = this.options.logitsOf ?? ((state) => hashLogits(state, this.vocabSize));
        logits.set(of({ tokens, preference, adapter: adapter?.id ?? "" }), i * this.vocabSize);
      });
      return logits;
    } finally {
      this.busy = false;
    }
  }
}

/** A decoder and letters for its tokens: 0 ends a text, 1 is special, 2 … are "a", "b" … */
export function smallModel(options: SmallOptions = {}): TextModel & { decoder: SmallDecoder } {
  return {
    id: "small",
    decoder: new SmallDecoder(options),
    tokenizer: {
      decode: (ids) => Array.from(ids, (id) => String.fromCharCode(95 + id)).join(""),
      endTokenIds: new Set([0]),
      specialTokenIds: new Set([0, 1]),
    },
  };
}

/** Logits that make `token` certain. */
export function certain(token: number, vocabSize = 40): Float32Array {
  return new Float32Array(vocabSize).fill(-1000).fill(0, token, token + 1);
}

/** Logits in [0, 8) that differ wherever anything of the state does; no end token for long. */
function hashLogits(
  state: { tokens: number[]; adapter: string; preference: number[] },
  vocabSize: number,
): Float32Array {
  let hash = 17;
  for (const character of JSON.stringify(state)) {
    hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  }
  const logits = Float32Array.from({ length: vocabSize }, (_, id) => {
    const mixed = Math.imul(hash ^ Math.imul(id + 1, 0x9e3779b1), 0x85ebca6b);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 29;
  });
  logits[0] = -2;
  return logits;
}
