import assert from "node:assert/strict";
import type { TokenizedPair } from "../../core/text/example.ts";
import { dataNotices } from "../../workers/data_notices.ts";

const pair = (...better: (number | null)[]): TokenizedPair => ({
  prompt: Int32Array.of(1),
  responses: [Int32Array.of(2), Int32Array.of(3)],
  better,
});
const dimensions = ["helpful", "harmless"];
const config = { vertex_share: 0 };
const lengths = { maxLength: 128, overlong: "drop" as const };

Deno.test("dataNotices() has nothing to say of pairs that are all there and labelled in both", () => {
  const pairs = [pair(0, 1), pair(0, null), pair(null, 0)];
  assert.deepEqual(dataNotices(pairs, { dropped: 0, dimensions, config, lengths }), []);
  assert.deepEqual(
    dataNotices([pair(0)], { dropped: 0, dimensions: ["helpful"], config, lengths }),
    [],
  );
});

Deno.test("dataNotices() counts what is left of each dimension", () => {
  const pairs = [pair(0, 1), pair(0, null), pair(0.5, null)];
  const [notice, ...others] = dataNotices(pairs, { dropped: 7, dimensions, config, lengths });
  assert.match(notice ?? "", /^Left out 7 of 10 training pairs: .* max_length 128 /);
  assert.match(notice ?? "", /left are helpful 3, harmless 1; --overlong truncate/);
  assert.deepEqual(others, []);
  const truncating = { ...lengths, overlong: "truncate" as const };
  const [cut] = dataNotices(pairs, { dropped: 7, dimensions, config, lengths: truncating });
  assert.match(cut ?? "", /harmless 1$/);
});

Deno.test("dataNotices() says what helps where no pair has labels in two dimensions", () => {
  const pairs = [pair(0, null), pair(null, 1)];
  const [notice] = dataNotices(pairs, { dropped: 0, dimensions, config, lengths });
  assert.match(
    notice ?? "",
    /^No training pair has a label in two dimensions.*--vertex_share 0\.6/,
  );
  const corners = { ...config, vertex_share: 0.5 };
  assert.deepEqual(dataNotices(pairs, { dropped: 0, dimensions, config: corners, lengths }), []);
});
