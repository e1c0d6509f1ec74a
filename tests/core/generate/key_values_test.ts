import assert from "node:assert/strict";
import { KeyValues } from "../../../core/generate/key_values.ts";
import { Random } from "../../../core/random.ts";

const shape = { layers: 2, kvHeads: 3, headDim: 4 };
const perToken = 2 * shape.layers * shape.kvHeads * shape.headDim;

interface Holder {
  name: number;
  length: number;
}

/** The values of `count` tokens from `at` on, which tell whose they are and where. */
function content({ name }: Holder, at: number, count: number): Float32Array {
  return Float32Array.from({ length: perToken * count }, (_, i) => {
    const line = Math.floor(i / (count * shape.headDim)); // block, kind and head
    const token = at + Math.floor(i / shape.headDim) % count;
    return name + line / 100 + token / 1e5 + i % shape.headDim / 1e7;
  });
}

function append(cache: KeyValues, holder: Holder, count: number): void {
  const place = { at: holder.length, count };
  cache.write(cache.slotOf(holder), content(holder, holder.length, count), place);
  holder.length += count;
}

function assertWhole(cache: KeyValues, holder: Holder): void {
  const found = cache.read(cache.slotOf(holder), holder.length);
  assert.deepEqual(found, content(holder, 0, holder.length), `sequence ${holder.name}`);
}

Deno.test("write() puts tokens where the graph reads (slot, head, token, dimension)", () => {
  const cache = new KeyValues(shape);
  const [first, second] = [{ name: 1, length: 0 }, { name: 2, length: 0 }];
  [first, second].forEach((holder) => cache.enter(holder));
  cache.fit(new Set([first, second]), { more: 2 });
  append(cache, second, 2);
  // block 1's values are buffer 3; slot 1, head 2, token 1, dimension 3
  const at = ((1 * 3 + 2) * cache.capacity + 1) * 4 + 3;
  // line (3·3 + 2) of `present`, token 1, dimension 3
  assert.equal(cache.buffers[3]?.[at], Math.fround(2 + 11 / 100 + 1 / 1e5 + 3 / 1e7));
});

Deno.test("sequences keep their tokens through any order of joining, growing and leaving", () => {
  const random = new Random(1);
  const cache = new KeyValues(shape);
  let live: Holder[] = [];
  for (let turn = 0, name = 1; turn < 300; turn++) {
    if (live.length < 9 && random.uniform() < 0.3) {
      const holder = { name: name++, length: 0 };
      cache.enter(holder);
      live.push(holder);
    }
    const chosen = live.filter(() => random.uniform() < 0.6);
    const count = random.uniform() < 0.1 ? 1 + random.integer(150) : 1;
    const rows = chosen.length + random.integer(3);
    cache.fit(new Set(chosen), { more: count, rows });
    cache.arrange(new Set(chosen), rows);
    const slots = chosen.map((holder) => cache.slotOf(holder)).sort((a, b) => a - b);
    assert.deepEqual(slots, chosen.map((_, i) => i));
    for (const other of live.filter((holder) => !chosen.includes(holder))) {
      assert(cache.slotOf(other) >= rows, "a waiting sequence stands among the rows");
    }
    for (const holder of chosen) append(cache, holder, count);
    live.forEach((holder) => assertWhole(cache, holder));
    live = live.filter((holder) => {
      const stays = random.uniform() < 0.9;
      if (!stays) cache.leave(holder);
      return stays;
    });
  }
  live.forEach((holder) => cache.leave(holder));
  assert.equal(cache.bytes, 0);
});

Deno.test("a sequence that enters with tokens finds room for them", () => {
  const cache = new KeyValues(shape);
  const short = { name: 1, length: 0 };
  cache.enter(short);
  cache.fit(new Set([short]), { more: 3 });
  append(cache, short, 3);
  const long = { name: 2, length: 500 };
  cache.enter(long);
  cache.write(cache.slotOf(long), content(long, 0, 500), { at: 0, count: 500 });
  assertWhole(cache, long);
  assertWhole(cache, short);
});

Deno.test("fit() gives back what a long sequence and many rows needed once they are gone", () => {
  const cache = new KeyValues(shape);
  const holders = Array.from({ length: 16 }, (_, i) => ({ name: i + 1, length: 0 }));
  holders.forEach((holder) => cache.enter(holder));
  const [first, ...others] = holders;
  assert(first);
  cache.fit(new Set(others), { more: 1000 });
  const most = cache.bytes;
  assert(most >= 16 * 1000 * perToken * 4);
  others.forEach((holder) => cache.leave(holder));
  cache.fit(new Set([first]), { more: 1 });
  assert(cache.bytes <= most / 50, `${cache.bytes} of ${most}`);
  const generation = cache.generation;
  for (let i = 0; i < 50; i++) {
    cache.fit(new Set([first]), { more: 1 });
    append(cache, first, 1);
  }
  assert.equal(cache.generation, generation, "room for a few more tokens is kept");
  assert.equal(cache.capacity % 64, 0);
});

Deno.test("slotOf() refuses a sequence that has left", () => {
  const cache = new KeyValues(shape);
  const holder = { name: 1, length: 0 };
  cache.enter(holder);
  cache.leave(holder);
  cache.leave(holder); // harmless
  assert.throws(() => cache.slotOf(holder), RangeError);
});
