import assert from "node:assert/strict";
import fc from "fast-check";
import {
  learnedTokens,
  type Pack,
  packSequences,
  rowLengthFor,
  type Sequence,
  splitPack,
} from "../../../core/text/pack.ts";

/** Sequences of lengths 1 … 8 whose ids tell them apart: s·100 + place. */
const sequencesArbitrary = fc.array(
  fc.record({ prompt: fc.integer({ min: 1, max: 8 }), response: fc.integer({ min: 1, max: 8 }) }),
  { minLength: 1, maxLength: 30 },
).map((lengths) => lengths.map((length, s) => numbered(s, length.prompt, length.response)));

function numbered(s: number, prompt: number, response: number): Sequence {
  const ids = Int32Array.from({ length: prompt + response }, (_, i) => 1 + s * 100 + i);
  return { prompt: ids.slice(0, prompt), response: ids.slice(prompt) };
}

/** Flat places of each sequence's tokens over all packs, as [pack, place]. */
function placesOf(packs: Pack[], count: number): [number, number][][] {
  const places: [number, number][][] = Array.from({ length: count }, () => []);
  packs.forEach(({ segments }, p) =>
    segments.forEach((segment, at) => {
      if (segment > 0) places[segment - 1]?.push([p, at]);
    })
  );
  return places;
}

Deno.test("packSequences() lays two sequences into one row, worked by hand", () => {
  const sequences = [
    { prompt: Int32Array.of(7), response: Int32Array.of(8, 2) },
    { prompt: Int32Array.of(5, 6), response: Int32Array.of(9, 2) },
  ];
  // longest first: sequence 1 (4 tokens), then sequence 0 (3), one place empty
  assert.deepEqual(packSequences(sequences, { rowLength: 8, maxTokens: 8 }), [{
    rows: 1,
    length: 8,
    ids: Int32Array.of(5, 6, 9, 2, 7, 8, 2, 0),
    positions: Int32Array.of(0, 1, 2, 3, 0, 1, 2, 0),
    segments: Int32Array.of(2, 2, 2, 2, 1, 1, 1, 0),
    branches: Int32Array.of(0, 0, 1, 1, 0, 1, 1, 0),
    predicting: Int32Array.of(1, 2, 4, 5), // the token before each response token
    targets: Int32Array.of(9, 2, 8, 2),
    owners: Int32Array.of(1, 1, 0, 0),
  }]);
});

Deno.test("packSequences() predicts learned tokens only, and lays out all, worked by hand", () => {
  const sequence = {
    prompt: Int32Array.of(7),
    response: Int32Array.of(8, 2, 5, 6, 9, 2), // 5 6: what the user says between two answers
    learned: Uint8Array.of(1, 1, 0, 0, 1, 1),
  };
  const [pack] = packSequences([sequence], { rowLength: 8, maxTokens: 8 });
  assert.deepEqual(pack?.ids, Int32Array.of(7, 8, 2, 5, 6, 9, 2, 0));
  assert.deepEqual(pack?.positions, Int32Array.of(0, 1, 2, 3, 4, 5, 6, 0));
  assert.deepEqual(pack?.branches, Int32Array.of(0, 1, 1, 1, 1, 1, 1, 0));
  assert.deepEqual(pack?.predicting, Int32Array.of(0, 1, 4, 5));
  assert.deepEqual(pack?.targets, Int32Array.of(8, 2, 9, 2));
  assert.equal(learnedTokens(sequence), 4);
  assert.equal(learnedTokens({ prompt: sequence.prompt, response: sequence.response }), 6);
});

Deno.test("packSequences() places every token once, in order, in one row, from position 0", () => {
  fc.assert(fc.property(
    sequencesArbitrary,
    fc.integer({ min: 16, max: 40 }),
    fc.integer({ min: 1, max: 200 }),
    (sequences, rowLength, maxTokens) => {
      const packs = packSequences(sequences, { rowLength, maxTokens });
      const places = placesOf(packs, sequences.length);
      for (const [s, { prompt, response }] of sequences.entries()) {
        const own = places[s] ?? [];
        const ids = own.map(([p, at]) => packs[p]?.ids[at]);
        assert.deepEqual(ids, [...prompt, ...response]);
        assert.deepEqual(own.map(([p, at]) => packs[p]?.positions[at]), own.map((_, t) => t));
        const rows = own.map(([p, at]) => `${p} ${Math.floor(at / rowLength)}`);
        assert.equal(new Set(rows).size, 1);
      }
      for (const { rows, length, ids, segments, positions } of packs) {
        assert.equal(length, rowLength);
        assert(rows * length <= Math.max(maxTokens, rowLength));
        assert.deepEqual(
          [ids.length, segments.length, positions.length],
          Array(3).fill(rows * length),
        );
        segments.forEach((segment, at) => {
          if (segment === 0) assert.deepEqual([ids[at], positions[at]], [0, 0]);
        });
      }
    },
  ));
});

Deno.test("packSequences() predicts every response token once, from the token before it", () => {
  fc.assert(fc.property(sequencesArbitrary, fc.integer({ min: 16, max: 64 }), (sequences, room) => {
    const packs = packSequences(sequences, { rowLength: room, maxTokens: 3 * room });
    const predicted = sequences.map((): number[] => []);
    for (const { predicting, targets, owners, ids, segments } of packs) {
      predicting.forEach((at, n) => {
        const owner = owners[n] ?? -1;
        assert.equal(segments[at], owner + 1);
        assert.equal(segments[at + 1], owner + 1);
        assert.equal(ids[at + 1], targets[n]);
        predicted[owner]?.push(targets[n] ?? -1);
      });
    }
    assert.deepEqual(predicted, sequences.map(({ response }) => [...response]));
  }));
});

Deno.test("packSequences() lays responses to one prompt side by side, worked by hand", () => {
  const prompt = Int32Array.of(5, 6);
  const sequences = [[9, 2], [8, 7, 2], [4, 2]].map((response) => ({
    prompt,
    response: Int32Array.from(response),
  }));
  const [one, other] = [[1, 0], [0, 1]];
  // sequences 0 and 1 under one preference: 2 + 2 + 3 = 7 tokens; sequence 2 under another: 4
  const packs = packSequences(sequences, {
    rowLength: 7,
    maxTokens: 14,
    preferences: [one, one, other],
  });
  assert.deepEqual(packs, [{
    rows: 2,
    length: 7,
    ids: Int32Array.of(5, 6, 9, 2, 8, 7, 2, 5, 6, 4, 2, 0, 0, 0),
    positions: Int32Array.of(0, 1, 2, 3, 2, 3, 4, 0, 1, 2, 3, 0, 0, 0),
    segments: Int32Array.of(1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 3, 0, 0, 0),
    branches: Int32Array.of(0, 0, 1, 1, 2, 2, 2, 0, 0, 1, 1, 0, 0, 0),
    predicting: Int32Array.of(1, 2, 1, 4, 5, 8, 9), // both responses start at the prompt's end
    targets: Int32Array.of(9, 2, 8, 7, 2, 4, 2),
    owners: Int32Array.of(0, 0, 1, 1, 1, 2, 2),
  }]);
});

Deno.test("packSequences() shares prompts only under one preference, and loses nothing by it", () => {
  const shapes = fc.array(
    fc.record({
      prompt: fc.nat({ max: 3 }),
      preference: fc.nat({ max: 2 }),
      response: fc.integer({ min: 1, max: 6 }),
    }),
    { minLength: 1, maxLength: 24 },
  );
  const prompts = [3, 1, 5, 8].map((length, p) => numbered(p, length, 1).prompt);
  const grid = [[1, 0], [0.5, 0.5], [0, 1]];
  fc.assert(fc.property(shapes, fc.integer({ min: 14, max: 60 }), (items, rowLength) => {
    const sequences = items.map(({ prompt, response }, s) => ({
      prompt: prompts[prompt] ?? new Int32Array(),
      response: numbered(10 + s, 1, response).response,
    }));
    const preferences = items.map(({ preference }) => grid[preference] ?? []);
    const packs = packSequences(sequences, { rowLength, maxTokens: 2 * rowLength, preferences });
    const found = sequences.map((): number[] => []);
    for (const pack of packs) {
      pack.predicting.forEach((at, n) => {
        const owner = pack.owners[n] ?? -1;
        const leader = (pack.segments[at] ?? 0) - 1; // whose segment it is
        assert.equal(sequences[leader]?.prompt, sequences[owner]?.prompt);
        assert.equal(preferences[leader], preferences[owner]);
        found[owner]?.push(pack.targets[n] ?? -1);
        // what the token sees, in order: the prompt, and its response up to itself
        const seen = [...pack.ids.keys()].filter((j) =>
          Math.floor(j / rowLength) === Math.floor(at / rowLength) &&
          pack.segments[j] === pack.segments[at] &&
          (pack.positions[j] ?? 0) <= (pack.positions[at] ?? 0) &&
          (pack.branches[j] === 0 || pack.branches[j] === pack.branches[at])
        );
        const { prompt = [], response = [] } = sequences[owner] ?? {};
        const t = found[owner]?.length ?? 0;
        assert.deepEqual(
          seen.map((j) => pack.ids[j]),
          [...prompt, ...response].slice(0, prompt.length + t - 1),
        );
        assert.deepEqual(seen.map((j) => pack.positions[j]), seen.map((_, position) => position));
      });
    }
    assert.deepEqual(found, sequences.map(({ response }) => [...response]));
  }));
});

Deno.test("packSequences() gives the same packs for the same sequences, whatever their ids", () => {
  fc.assert(fc.property(sequencesArbitrary, (sequences) => {
    const options = { rowLength: 20, maxTokens: 80 };
    const again = packSequences(sequences.map((sequence) => ({ ...sequence })), options);
    assert.deepEqual(again, packSequences(sequences, options));
  }));
});

Deno.test("packSequences() refuses what fits no row and sequences without prompt or response", () => {
  const options = { rowLength: 4, maxTokens: 16 };
  const none = new Int32Array();
  assert.throws(() => packSequences([numbered(0, 2, 3)], options), /at most 4 tokens, got 5/);
  assert.throws(
    () => packSequences([{ prompt: none, response: Int32Array.of(2) }], options),
    RangeError,
  );
  assert.throws(
    () => packSequences([{ prompt: Int32Array.of(2), response: none }], options),
    RangeError,
  );
  assert.deepEqual(packSequences([], options), []);
});

Deno.test("rowLengthFor() of short data is the longest sequence or shared prompt, rounded up to 32", () => {
  const prompt = new Int32Array(20);
  const three = [7, 8, 9].map((length) => ({ prompt, response: new Int32Array(length) }));
  assert.equal(rowLengthFor(three), 64); // 20 + 7 + 8 + 9 = 44
  assert.equal(rowLengthFor([]), 32);
  assert.equal(rowLengthFor([numbered(0, 3, 29)]), 32);
  assert.equal(rowLengthFor([numbered(0, 3, 2), numbered(1, 3, 30)]), 64);
});

Deno.test("rowLengthFor() of long data takes the rows that compute it in the least time", () => {
  const pair = (prompt: number, ...responses: number[]) => {
    const shared = new Int32Array(prompt);
    return responses.map((length) => ({ prompt: shared, response: new Int32Array(length) }));
  };
  const many = <T>(count: number, of: () => T[]) => Array.from({ length: count }, of).flat();
  // 100 + 50 + 50 tokens: a row of 224 holds one pair, 416 two with less room to spare and more
  // attention: 224 + 0.0013·5/8·224² = 264 a pair beside (416 + 0.0013·5/8·416²)/2 = 278.
  assert.equal(rowLengthFor(many(20, () => pair(100, 50, 50))), 224);
  // 100 + 65 + 65: 256 of which 26 are empty, 309 a pair, beside 480 (two, 333) and 256 again.
  assert.equal(rowLengthFor(many(20, () => pair(100, 65, 65))), 256);
  // 150 + 70 + 70: rows of 256 would hold the prompt twice; 320 hold all of it.
  assert.equal(rowLengthFor(many(20, () => pair(150, 70, 70))), 320);
  // 250 tokens without a partner beside short ones that fill the gaps of longer rows.
  const mixed = many(10, () => [...pair(230, 20), ...pair(60, 40)]);
  const length = rowLengthFor(mixed);
  assert.equal(length, 352); // 250 + 100
  // A sequence must fit, however long.
  assert.equal(rowLengthFor([...pair(700, 10), ...pair(700, 10)]), 736); // 710 rounded up
  // Of a large data set a part is tried; the longest sequence is found wherever it is.
  assert.equal(rowLengthFor([...many(3000, () => pair(100, 50, 50)), ...pair(400, 10)]), 416);
});

Deno.test("splitPack() deals rows out evenly, in order, and loses nothing", () => {
  fc.assert(fc.property(
    sequencesArbitrary,
    fc.integer({ min: 1, max: 9 }),
    fc.boolean(),
    (sequences, parts, share) => {
      const one = [1];
      const prompt = Int32Array.of(7, 8);
      const input = share ? sequences.map(({ response }) => ({ prompt, response })) : sequences;
      const preferences = input.map(() => one);
      const [whole] = packSequences(input, { rowLength: 24, maxTokens: 1e6, preferences });
      assert(whole);
      const split = splitPack(whole, parts);
      assert.equal(split.length, Math.min(parts, whole.rows));
      const rows = split.map((part) => part.rows);
      assert(Math.min(...rows) >= 1 && Math.max(...rows) - Math.min(...rows) <= 1, `${rows}`);
      const joined = (pick: (part: Pack) => Int32Array) => split.flatMap((part) => [...pick(part)]);
      for (
        const key of ["ids", "positions", "segments", "branches", "targets", "owners"] as const
      ) {
        assert.deepEqual(joined((part) => part[key]), [...whole[key]], key);
      }
      let start = 0;
      const predicting = split.flatMap((part) => {
        const places = [...part.predicting].map((place) => start + place);
        assert(part.predicting.every((place) => place >= 0 && place < part.ids.length));
        start += part.ids.length;
        return places;
      });
      assert.deepEqual(predicting, [...whole.predicting]);
    },
  ));
});
