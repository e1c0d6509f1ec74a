import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Address,
  defaultSampling,
  formatAddress,
  parseAddress,
} from "../../../routes/page/address.ts";

const nothing: Address = {
  place: { view: "explore" },
  exploration: {
    adapter: null,
    preferences: [],
    question: "",
    sampling: defaultSampling,
    front: null,
    beside: null,
  },
};

Deno.test("an address without a word is the first view with its defaults", () => {
  for (const hash of ["", "#", "#/", "#/?", "#/nowhere"]) {
    assert.deepEqual(parseAddress(hash), nothing, hash);
  }
  assert.equal(formatAddress(nothing), "#/");
});

Deno.test("an address says adapter, λ, question, fronts and what differs from the default sampling", () => {
  const address: Address = {
    place: { view: "explore" },
    exploration: {
      adapter: "first",
      preferences: [[0.7, 0.3], [0, 1]],
      question: "How do I bake bread & butter?",
      sampling: { ...defaultSampling, seed: 7, temperature: 0 },
      front: "step-10",
      beside: ["other/second", "growth"],
    },
  };
  assert.equal(
    formatAddress(address),
    "#/?adapter=first&preference=0.7,0.3&preference=0,1" +
      "&question=How+do+I+bake+bread+%26+butter%3F&seed=7&temperature=0" +
      "&front=step-10&beside=other%2Fsecond&beside=growth",
  );
  assert.deepEqual(parseAddress(formatAddress(address)), address);
});

Deno.test("runs and adapters are places of their own", () => {
  assert.deepEqual(parseAddress("#/runs").place, { view: "runs", id: null });
  assert.deepEqual(parseAddress("#/runs/a%2Fb").place, { view: "runs", id: "a/b" });
  assert.deepEqual(parseAddress("#/adapters/first").place, { view: "adapters", id: "first" });
  const place = { view: "runs", id: "a/b?c" } as const;
  assert.deepEqual(parseAddress(formatAddress({ ...nothing, place })).place, place);
});

Deno.test("what cannot be read in an address is left out", () => {
  const { exploration, place } = parseAddress(
    "#/?preference=1,x&preference=&preference=-1,2&preference=0.5,0.5&seed=1.5&temperature=9" +
      "&top_p=0&max_tokens=1e9",
  );
  assert.deepEqual(exploration.preferences, [[0.5, 0.5]]);
  assert.deepEqual(exploration.sampling, defaultSampling);
  assert.deepEqual(place, { view: "explore" });
  assert.deepEqual(parseAddress("#/runs/%E0%A4%A").place, { view: "runs", id: null });
});

Deno.test("at most four preference vectors are read", () => {
  const { exploration } = parseAddress(`#/?${"preference=1,0&".repeat(9)}`);
  assert.equal(exploration.preferences.length, 4);
});

Deno.test("any exploration survives the way into an address and back", () => {
  const weights = fc.array(fc.integer({ min: 0, max: 10_000 }).map((part) => part / 10_000), {
    minLength: 1,
    maxLength: 5,
  });
  const explorations = fc.record({
    adapter: fc.option(fc.string({ minLength: 1 }).map((text) => text.toWellFormed())),
    preferences: fc.array(weights, { maxLength: 4 }),
    question: fc.string({ unit: "grapheme" }).map((text) => text.toWellFormed()),
    front: fc.option(fc.string({ minLength: 1 }).map((text) => text.toWellFormed())),
    beside: fc.option(
      fc.array(fc.string({ minLength: 1 }).map((text) => text.toWellFormed()), { maxLength: 6 }),
    ),
    sampling: fc.record({
      seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      temperature: fc.double({ min: 0, max: 2, noNaN: true }).map(Math.abs),
      top_p: fc.double({ min: 1e-6, max: 1, noNaN: true }),
      max_tokens: fc.option(fc.integer({ min: 1, max: 1_000_000 })),
    }, { noNullPrototype: true }),
  }, { noNullPrototype: true });
  fc.assert(fc.property(explorations, (exploration) => {
    const address = { place: { view: "explore" } as const, exploration };
    assert.deepEqual(parseAddress(formatAddress(address)), address);
  }));
});
