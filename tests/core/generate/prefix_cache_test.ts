import assert from "node:assert/strict";
import fc from "fast-check";
import {
  createPrefixCache,
  type PrefixEntry,
  prefixScope,
  startSequence,
} from "../../../core/generate/prefix_cache.ts";
import { smallModel } from "./small_decoder.ts";

const logits = Float32Array.of(1, 2);

/** An entry whose prefix takes 100 bytes a token; tokens and logits take 4 each. */
function entry(tokens: number[], known = false): PrefixEntry {
  return {
    tokens: Int32Array.from(tokens),
    prefix: { length: tokens.length, bytes: 100 * tokens.length },
    logits: known ? logits : null,
  };
}

function counting(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

Deno.test("find() gives the entry that begins a prompt the longest", () => {
  const cache = createPrefixCache({ maxBytes: 1e6 });
  cache.add("s", entry([1, 2]));
  cache.add("s", entry([1, 2, 3]));
  cache.add("s", entry([1, 9, 9, 9]));
  assert.deepEqual(cache.find("s", [1, 2, 3, 4, 5]), {
    prefix: { length: 3, bytes: 300 },
    length: 3,
    logits: null,
  });
  assert.equal(cache.find("s", [2, 1]), null);
  assert.equal(cache.find("other", [1, 2, 3]), null);
});

Deno.test("find() leaves the last token of a prompt to be computed unless its logits are known", () => {
  const cache = createPrefixCache({ maxBytes: 1e6 });
  cache.add("s", entry(counting(0, 20)));
  assert.equal(cache.find("s", counting(0, 20))?.length, 19);
  cache.add("s", entry(counting(0, 20), true));
  assert.deepEqual(cache.find("s", counting(0, 20)), {
    prefix: { length: 20, bytes: 2000 },
    length: 20,
    logits,
  });
  assert.deepEqual(cache.find("s", counting(0, 21))?.logits, null, "logits of another token");
});

Deno.test("find() takes a part of an entry where that is worth copying it", () => {
  const cache = createPrefixCache({ maxBytes: 1e6 });
  cache.add("s", entry(counting(0, 100)));
  assert.equal(cache.find("s", [...counting(0, 30), 999])?.length, 30);
  assert.equal(cache.find("s", [...counting(0, 15), 999]), null, "fewer than 16 tokens");
  cache.add("t", entry(counting(0, 1000)));
  assert.equal(cache.find("t", [...counting(0, 100), 9999]), null, "less than an eighth");
  assert.equal(cache.find("t", [...counting(0, 125), 9999])?.length, 125);
});

Deno.test("add() drops the entries that were used longest ago", () => {
  const size = 104; // a token and its keys and values
  const cache = createPrefixCache({ maxBytes: 3 * size });
  for (const token of [1, 2, 3]) cache.add("s", entry([token]));
  assert.equal(cache.bytes, 3 * size);
  cache.find("s", [1, 5]); // now 2 is the oldest
  cache.add("s", entry([4]));
  assert.deepEqual([1, 2, 3, 4].map((t) => cache.find("s", [t, 5]) !== null), [
    true,
    false,
    true,
    true,
  ]);
  cache.add("s", entry([7, 7, 7, 7])); // larger than the cache: nothing goes for it
  assert.equal(cache.bytes, 3 * size);
});

Deno.test("add() replaces an entry of the same tokens", () => {
  const cache = createPrefixCache({ maxBytes: 1000 });
  cache.add("s", entry([1, 2]));
  cache.add("s", entry([1, 2], true));
  assert.equal(cache.bytes, 2 * 104 + 8);
  cache.add("t", entry([1, 2]));
  assert.equal(cache.bytes, 4 * 104 + 8);
});

Deno.test("a cache of 0 bytes keeps nothing", () => {
  const cache = createPrefixCache({ maxBytes: 0 });
  assert.ok(!cache.holds(1));
  cache.add("s", entry([1]));
  assert.equal(cache.bytes, 0);
  assert.equal(cache.find("s", [1, 2]), null);
});

Deno.test("forget() drops a model's entries and no others", () => {
  const cache = createPrefixCache({ maxBytes: 1e6 });
  const model = smallModel();
  const scope = (id: string) =>
    prefixScope({ ...request, model: { ...model, id }, adapter: null, preference: [] });
  for (const id of ["a", "ab"]) cache.add(scope(id), entry([1]));
  cache.forget("a");
  assert.equal(cache.find(scope("a"), [1, 2]), null);
  assert.equal(cache.find(scope("ab"), [1, 2])?.length, 1);
  assert.equal(cache.bytes, 104);
});

Deno.test("prefixScope() differs wherever model, adapter or λ do", () => {
  const model = smallModel();
  const adapter = { id: "x", objectives: 2, bytes: 0 };
  const scopes = [
    { ...request, model: { ...model, id: "a" }, adapter: null, preference: [] },
    { ...request, model: { ...model, id: "b" }, adapter: null, preference: [] },
    { ...request, model: { ...model, id: "a" }, adapter, preference: [0.5, 0.5] },
    { ...request, model: { ...model, id: "a" }, adapter, preference: [0.5, 0.5 + 2 ** -53] },
    {
      ...request,
      model: { ...model, id: "a" },
      adapter: { ...adapter, id: "y" },
      preference: [0.5, 0.5],
    },
  ].map(prefixScope);
  assert.equal(new Set(scopes).size, scopes.length);
});

Deno.test("startSequence() starts with the tokens that were found, and leaves nothing behind", async () => {
  const { decoder } = smallModel();
  const whole = decoder.start({ adapter: null, preference: [] });
  await decoder.prefill(whole, [5, 6, 7, 8]);
  const prefix = whole.snapshot();
  whole.dispose();
  for (const length of [4, 2]) {
    const sequence = startSequence(decoder, { adapter: null, preference: [] }, {
      prefix,
      length,
      logits: null,
    });
    assert.equal(sequence.length, length);
    assert.equal(decoder.live.sequences, 1);
    sequence.dispose();
  }
  startSequence(decoder, { adapter: null, preference: [] }, null).dispose();
  assert.deepEqual(decoder.live, { sequences: 0, bytes: 0 });
});

Deno.test("find() never gives tokens that the prompt does not begin with, within the bytes allowed", () => {
  const tokens = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 40 });
  const scope = fc.constantFrom("a", "b");
  fc.assert(fc.property(
    fc.array(fc.tuple(scope, tokens, fc.boolean()), { maxLength: 40 }),
    fc.array(fc.tuple(scope, tokens), { maxLength: 10 }),
    (added, asked) => {
      const cache = createPrefixCache({ maxBytes: 20_000 });
      const kept = new Map<PrefixEntry["prefix"], { scope: string; tokens: number[] }>();
      for (const [name, ids, known] of added) {
        const one = entry(ids, known);
        kept.set(one.prefix, { scope: name, tokens: ids });
        cache.add(name, one);
        assert.ok(cache.bytes <= 20_000);
      }
      for (const [name, prompt] of asked) {
        const match = cache.find(name, prompt);
        if (!match) continue;
        const source = kept.get(match.prefix);
        assert.equal(source?.scope, name);
        assert.deepEqual(source?.tokens.slice(0, match.length), prompt.slice(0, match.length));
        assert.ok(match.length > 0 && match.length <= prompt.length);
        assert.equal(match.length === prompt.length, match.logits !== null);
      }
    },
  ));
});

const request = {
  prompt: [2],
  maxTokens: 1,
  temperature: 1,
  topP: 1,
  seed: 1,
  stop: [],
};
