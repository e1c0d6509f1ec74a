// Bar 2: whatever stands where λ should, /chat answers 400 naming the field, or 200 with a λ whose
// sum is 1; it never fails inside. The parser is reached through the app, in all of its forms.
import assert from "node:assert/strict";
import fc from "fast-check";
import { appOf } from "../routes/app_of.ts";
import { memoryChat } from "../routes/memory_service.ts";

const RUNS = 10_000;
const dimensions = ["helpful", "harmless"];

const { app } = appOf({ chat: memoryChat({ pieces: () => [] }) });

/** Texts where a number should be: numbers of all kinds, and what is none. */
const text = fc.oneof(
  fc.double().map(String),
  fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value.toFixed(3)),
  fc.constantFrom("", " ", "NaN", "-0", "1e309", "1e-400", "Infinity", "0x1", "1,", "1.", ".5"),
  fc.constantFrom("٣", "1_0", "+1", "--1", "1e", "null", "[1]", "0.5.5", "\u0000", "\ud800x"),
  fc.string({ unit: "binary", maxLength: 12 }),
);
const lists = fc.oneof(
  fc.array(text, { maxLength: 4 }).map((parts) => parts.join(",")),
  fc.array(fc.tuple(fc.constantFrom(...dimensions, "humorous", ""), text), { maxLength: 4 })
    .map((parts) => parts.map(([name, value]) => `${name}=${value}`).join(",")),
  fc.constantFrom("1,,2", ",", "helpful=1", "helpful=1,helpful=0", "0.5,0.5,0", "0.7,0.2"),
);
/** λ that is one: two weights ≥ 0 with a sum of 1 within a thousandth. */
const right = fc.tuple(
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.double({ min: -9e-4, max: 9e-4, noNaN: true }),
).map(([first, off]) => [first, Math.max(0, 1 - first + off)]);

type Given = { query: Record<string, string>; body?: unknown };
const given: fc.Arbitrary<Given> = fc.oneof(
  lists.map((preference) => ({ query: { preference } })),
  fc.tuple(text, text).map(([helpful, harmless]) => ({ query: { helpful, harmless } })),
  fc.dictionary(fc.constantFrom(...dimensions, "humorous", "__proto__", "x"), text, { maxKeys: 4 })
    .map((query) => ({ query })),
  fc.jsonValue().map((body) => ({ query: {}, body })),
  fc.array(fc.double(), { maxLength: 4 }).map((body) => ({ query: {}, body })),
  fc.dictionary(fc.constantFrom(...dimensions, "humorous"), fc.double())
    .map((body) => ({ query: {}, body })),
  right.map((body) => ({ query: {}, body })),
  right.map((weights) => ({ query: { preference: weights.join(",") } })),
  right.map(([helpful, harmless]) => ({
    query: { helpful: String(helpful), harmless: String(harmless) },
  })),
);

Deno.test(`${RUNS} preferences are used with sum 1 or refused by name`, async () => {
  const seen = { used: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(given, async ({ query, body }) => {
      const answer = await ask(query, body);
      const text = await answer.text();
      if (answer.status === 200) {
        seen.used++;
        const { preference } = JSON.parse(text) as { preference: number[] };
        assert.equal(preference.length, dimensions.length);
        assert.ok(preference.every((weight) => weight >= 0 && !Object.is(weight, -0)), text);
        const sum = preference.reduce((total, weight) => total + weight, 0);
        assert.ok(Math.abs(sum - 1) <= 1e-9, text);
        return;
      }
      seen.refused++;
      assert.equal(answer.status, 400, text);
      const { detail } = JSON.parse(text) as { detail: string };
      assert.match(detail, /preference|helpful|harmless/, text);
    }),
    { numRuns: RUNS, seed: 2 },
  );
  assert.ok(seen.used > RUNS / 10 && seen.refused > RUNS / 10, JSON.stringify(seen));
});

Deno.test("weights whose sum is not 1, of the wrong number or the wrong kind are refused", async () => {
  for (
    const preference of [
      "0.7,0.2",
      "0.5,0.6",
      "1",
      "0.5,0.25,0.25",
      "NaN,1",
      "-0,1",
      "1e309,0",
      "1,,2",
      "-0.5,1.5",
      "0.7;0.3",
      "humorous=0.5,harmless=0.5",
    ]
  ) {
    assert.equal((await ask({ preference })).status, 400, preference);
  }
});

Deno.test("a parameter given twice, or λ in two places, is refused", async () => {
  const base = "/chat?adapter=tiny&message=hi&";
  for (
    const query of [
      "helpful=0.7&helpful=0.3",
      "helpful=0.7&harmless=0.3&preference=0.7,0.3",
      "preference=0.7,0.3&preference=0.5,0.5",
    ]
  ) {
    assert.equal((await app.request(base + query)).status, 400, query);
  }
});

/** `/chat` with λ in the query, or in the body where one is given. */
async function ask(query: Record<string, string>, body?: unknown): Promise<Response> {
  const parameters = new URLSearchParams({ adapter: "tiny", ...query });
  for (const [name, value] of Object.entries(query)) parameters.set(name, value);
  if (body === undefined) {
    parameters.set("message", "hi");
    return await app.request(`/chat?${parameters}`);
  }
  return await app.request(`/chat?${parameters}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ preference: body, messages: [{ role: "user", content: "hi" }] }),
  });
}
