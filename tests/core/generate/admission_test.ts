import assert from "node:assert/strict";
import fc from "fast-check";
import { InputError } from "../../../core/errors.ts";
import { createAdmission } from "../../../core/generate/admission.ts";
import type { GenerateRequest } from "../../../core/generate/request.ts";
import { requestOf } from "./answers.ts";
import { smallModel } from "./small_decoder.ts";

const model = smallModel(); // 1000 bytes a token, 1024 positions
const ROOM = 64_000; // bytes of the least room of one sequence: 64 tokens

function tokens(count: number): GenerateRequest {
  return requestOf(model, { prompt: Array(count - 10).fill(3), maxTokens: 10 });
}

Deno.test("fits() counts rows", () => {
  const admission = createAdmission({ maxRows: 2, maxBytes: 1e12 });
  const [first, second] = [tokens(20), tokens(20)];
  admission.join(first);
  assert.ok(admission.fits(second));
  admission.join(second);
  assert.ok(!admission.fits(tokens(20)));
  admission.leave(first);
  admission.leave(first); // once is enough
  assert.ok(admission.fits(tokens(20)));
});

Deno.test("sequences side by side take the room of the longest, in a power of two of slots", () => {
  const admission = createAdmission({ maxRows: 100, maxBytes: 1e12 });
  const requests = [tokens(20), tokens(64), tokens(65), tokens(20), tokens(20)];
  const bytes = requests.map((request) => {
    admission.join(request);
    return admission.bytes / ROOM;
  });
  // slots · room: 1·1, 2·1, then all with room for 128 tokens: 4·2, 4·2, 8·2
  assert.deepEqual(bytes, [1, 2, 8, 8, 16]);
  // what was made for them stays until the last has left
  for (const request of requests.slice(1)) admission.leave(request);
  assert.equal(admission.bytes / ROOM, 16);
  admission.leave(requests[0] ?? tokens(20));
  assert.equal(admission.bytes, 0);
  admission.join(tokens(20));
  assert.equal(admission.bytes / ROOM, 1);
});

Deno.test("adapters keep their sequences apart", () => {
  const admission = createAdmission({ maxRows: 100, maxBytes: 3 * ROOM });
  const adapter = (id: string) => ({ id, objectives: 1, bytes: 0 });
  const [x, y] = [adapter("x"), adapter("y")];
  for (const each of [x, y]) admission.join({ ...tokens(20), adapter: each });
  assert.equal(admission.bytes, 2 * ROOM);
  assert.ok(admission.fits({ ...tokens(20), adapter: x }));
  assert.ok(!admission.fits({ ...tokens(100), adapter: x }));
  assert.ok(admission.fits(tokens(20)));
});

Deno.test("check() refuses what would not fit alone", () => {
  const admission = createAdmission({ maxRows: 1, maxBytes: 2 * ROOM });
  admission.check(tokens(128));
  assert.throws(
    () => admission.check(tokens(129)),
    (error) =>
      error instanceof InputError && /got 119 \+ 10 tokens, which need 1 MiB/.test(`${error}`),
  );
});

Deno.test("bytes are never above the limit, and 0 when all have left", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.integer({ min: 11, max: 1000 }), fc.boolean()), { maxLength: 60 }),
    (changes) => {
      const admission = createAdmission({ maxRows: 12, maxBytes: 64 * ROOM });
      const inside: GenerateRequest[] = [];
      for (const [count, leaves] of changes) {
        const first = leaves ? inside.shift() : undefined;
        if (first) admission.leave(first);
        const request = tokens(count);
        if (admission.fits(request)) inside.push(request);
        if (inside.at(-1) === request) admission.join(request);
        assert.ok(admission.bytes <= 64 * ROOM && inside.length <= 12);
        const longest = Math.max(0, ...inside.map((r) => r.prompt.length + r.maxTokens));
        assert.ok(admission.bytes >= inside.length * longest * 1000);
      }
      inside.forEach((request) => admission.leave(request));
      assert.equal(admission.bytes, 0);
    },
  ));
});
