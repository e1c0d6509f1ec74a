// Keys and values of the sequences that share steps: one buffer per block and kind, of (slots, K,
// capacity, headDim), in which every sequence has a slot. ONNX Runtime reads them where they lie.
// Sequences move between slots only when a step needs them side by side.

/** What does not change of the buffers' shape. */
export interface KeyValueShape {
  layers: number;
  kvHeads: number; // K
  headDim: number;
}

/** Whoever has a slot. */
export interface Occupant {
  readonly length: number; // tokens
}

/**
 * Capacities are multiples of this, which is also why a sequence's logits do not depend on the
 * capacity that its neighbours need: sums over its tokens fall into the same vector lanes.
 */
const GRAIN = 64; // tokens

export class KeyValues {
  /** Buffers of keys and values in turn, block by block. */
  readonly buffers: Float32Array<ArrayBuffer>[];
  /** Tokens that a slot holds. */
  capacity = 0;
  /** Rises whenever the buffers are replaced. */
  generation = 0;
  private readonly slots: (Occupant | null)[] = [];

  constructor(private readonly shape: KeyValueShape) {
    this.buffers = Array.from({ length: 2 * shape.layers }, () => new Float32Array(0));
  }

  /** Bytes of all buffers. */
  get bytes(): number {
    return this.buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  get isEmpty(): boolean {
    return this.slots.every((occupant) => occupant === null);
  }

  /** Elements of one slot of one buffer. */
  get slotSize(): number {
    return this.shape.kvHeads * this.capacity * this.shape.headDim;
  }

  /** Gives `occupant` the first free slot, with room for its tokens. */
  enter(occupant: Occupant): void {
    const free = this.slots.indexOf(null);
    const slot = free < 0 ? this.slots.length : free;
    const capacity = occupant.length > this.capacity ? roomFor(occupant.length) : this.capacity;
    this.resize(Math.max(slot + 1, this.slots.length), capacity);
    this.slots[slot] = occupant;
  }

  /** Frees a slot, and all memory with the last. */
  leave(occupant: Occupant): void {
    const slot = this.slots.indexOf(occupant);
    if (slot < 0) return;
    this.slots[slot] = null;
    if (this.isEmpty) this.resize(0, 0);
  }

  /** RangeError for those that have none. */
  slotOf(occupant: Occupant): number {
    const slot = this.slots.indexOf(occupant);
    if (slot >= 0) return slot;
    throw new RangeError("Cannot use a sequence: expected a live one, got a disposed one");
  }

  /**
   * Makes room for all sequences, `more` further tokens of each of `growing`, and at least `rows`
   * slots; gives memory back where far less is needed than there is.
   */
  fit(growing: ReadonlySet<Occupant>, { more, rows = 0 }: { more: number; rows?: number }): void {
    let tokens = 0;
    for (const occupant of this.slots) {
      if (occupant === null) continue;
      tokens = Math.max(tokens, occupant.length + (growing.has(occupant) ? more : 0));
    }
    const room = roomFor(tokens);
    const last = this.slots.findLastIndex((occupant) => occupant !== null);
    const used = Math.max(last + 1, rows);
    const tooWide = room * 2 < this.capacity || used * 4 < this.slots.length;
    if (tokens > this.capacity) this.resize(Math.max(used, this.slots.length), room);
    else if (tooWide) this.resize(used, room);
  }

  /**
   * Moves sequences such that `occupants` have slots 0 … n − 1, in any order, and slots n … rows − 1
   * are free.
   */
  arrange(occupants: ReadonlySet<Occupant>, rows: number): void {
    const others = this.slots.filter((occupant) => occupant !== null && !occupants.has(occupant));
    this.resize(Math.max(rows + others.length, this.slots.length), this.capacity);
    for (let slot = 0; slot < rows; slot++) {
      const present = this.slots[slot] ?? null;
      const wanted = slot < occupants.size;
      if (wanted ? present !== null && occupants.has(present) : present === null) continue;
      const from = wanted
        ? this.slots.findLastIndex((other) => other !== null && occupants.has(other))
        : this.slots.indexOf(null, rows);
      this.swap(slot, from);
    }
  }

  /** Writes `count` new tokens of a slot from `at` on: present (2·layers·K, count, headDim). */
  write(slot: number, present: Float32Array, { at, count }: { at: number; count: number }): void {
    const { kvHeads, headDim } = this.shape;
    const size = count * headDim;
    this.buffers.forEach((buffer, i) => {
      for (let head = 0; head < kvHeads; head++) {
        const from = (i * kvHeads + head) * size;
        buffer.set(present.subarray(from, from + size), this.start(slot, head) + at * headDim);
      }
    });
  }

  /** Copies the first `count` tokens of a slot out, as `write` takes them. */
  read(slot: number, count: number): Float32Array<ArrayBuffer> {
    const { layers, kvHeads, headDim } = this.shape;
    const size = count * headDim;
    const copy = new Float32Array(2 * layers * kvHeads * size);
    this.buffers.forEach((buffer, i) => {
      for (let head = 0; head < kvHeads; head++) {
        const from = this.start(slot, head);
        copy.set(buffer.subarray(from, from + size), (i * kvHeads + head) * size);
      }
    });
    return copy;
  }

  private swap(a: number, b: number): void {
    const [first = null, second = null] = [this.slots[a], this.slots[b]];
    const [copyOfFirst, copyOfSecond] = [
      first && this.read(a, first.length),
      second &&
      this.read(b, second.length),
    ];
    if (second && copyOfSecond) this.write(a, copyOfSecond, { at: 0, count: second.length });
    if (first && copyOfFirst) this.write(b, copyOfFirst, { at: 0, count: first.length });
    [this.slots[a], this.slots[b]] = [second, first];
  }

  /** Buffers of the next power of two of `count` slots, no fewer than are used, and `capacity`. */
  private resize(count: number, capacity: number): void {
    const slots = count === 0 ? 0 : 2 ** Math.ceil(Math.log2(count));
    if (slots === this.slots.length && capacity === this.capacity) return;
    const { kvHeads, headDim } = this.shape;
    const before = this.capacity;
    this.buffers.forEach((buffer, i) => {
      const resized = new Float32Array(slots * kvHeads * capacity * headDim);
      this.slots.forEach((occupant, slot) => {
        for (let head = 0; occupant !== null && head < kvHeads; head++) {
          const line = slot * kvHeads + head;
          const from = line * before * headDim;
          const used = buffer.subarray(from, from + occupant.length * headDim);
          resized.set(used, line * capacity * headDim);
        }
      });
      this.buffers[i] = resized;
    });
    this.capacity = capacity;
    while (this.slots.length < slots) this.slots.push(null);
    this.slots.length = slots;
    this.generation += 1;
  }

  /** Where a head of a slot starts in its buffer. */
  private start(slot: number, head: number): number {
    return (slot * this.shape.kvHeads + head) * this.capacity * this.shape.headDim;
  }
}

/** A capacity for `tokens` that need not grow again at once. */
function roomFor(tokens: number): number {
  return Math.ceil(tokens * 1.25 / GRAIN + 0.5) * GRAIN;
}
