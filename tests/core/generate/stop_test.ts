import assert from "node:assert/strict";
import fc from "fast-check";
import { createStopSearch } from "../../../core/generate/stop.ts";

/** What is told of pieces, one entry a piece, then the rest; ends at a stop string. */
function told(stops: string[], pieces: string[]): { texts: string[]; stopped: boolean } {
  const search = createStopSearch(stops);
  const texts: string[] = [];
  for (const piece of pieces) {
    const { text, stopped } = search.push(piece);
    texts.push(text);
    if (stopped) return { texts, stopped };
  }
  return { texts: [...texts, search.end()], stopped: false };
}

Deno.test("createStopSearch() ends before a stop string that tokens cut in pieces", () => {
  assert.deepEqual(told(["User:"], ["Hi.", "\nU", "se", "r", ": no"]), {
    texts: ["Hi.", "\n", "", "", ""],
    stopped: true,
  });
});

Deno.test("createStopSearch() gives back what only looked like a stop string", () => {
  assert.deepEqual(told(["User:"], ["Us", "ed", " U"]), {
    texts: ["", "Used", " ", "U"],
    stopped: false,
  });
});

Deno.test("createStopSearch() takes the earliest of several, whichever is complete first", () => {
  assert.deepEqual(told(["bc", "abcd"], ["xabcd"]), { texts: ["x"], stopped: true });
  // piece by piece the shorter one is complete first, and what came before it is certain
  assert.deepEqual(told(["bc", "abcd"], ["xa", "b", "c"]), {
    texts: ["x", "", "a"],
    stopped: true,
  });
});

Deno.test("createStopSearch() sees a stop string that begins inside a false start", () => {
  assert.deepEqual(told(["aab"], ["a", "a", "a", "b"]), {
    texts: ["", "", "a", ""],
    stopped: true,
  });
});

Deno.test("createStopSearch() without stop strings passes everything on at once", () => {
  assert.deepEqual(told([], ["a", "b"]), { texts: ["a", "b", ""], stopped: false });
});

Deno.test("createStopSearch() tells the text before the first stop string, however it is cut", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 30 });
  const stop = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(letters, stop, fc.array(fc.nat(6), { maxLength: 12 }), (text, one, cuts) => {
      const pieces: string[] = [];
      let rest = text;
      for (const cut of cuts) {
        pieces.push(rest.slice(0, cut));
        rest = rest.slice(cut);
      }
      const result = told([one], [...pieces, rest]);
      const at = text.indexOf(one);
      assert.equal(result.stopped, at >= 0);
      assert.equal(result.texts.join(""), at >= 0 ? text.slice(0, at) : text);
    }),
  );
});
