import assert from "node:assert/strict";
import { parseSpec } from "../../../data/datasets/spec.ts";

Deno.test("parseSpec() reads both forms", () => {
  assert.deepEqual(parseSpec("helpful=a.jsonl+b.jsonl.gz, harm-less_2=c"), [
    { dimension: "helpful", files: ["a.jsonl", "b.jsonl.gz"] },
    { dimension: "harm-less_2", files: ["c"] },
  ]);
  assert.deepEqual(parseSpec("a.jsonl+b"), [{ dimension: null, files: ["a.jsonl", "b"] }]);
});

Deno.test("parseSpec() takes a = inside a path for a part of the path", () => {
  assert.deepEqual(parseSpec("./split=1/a"), [{ dimension: null, files: ["./split=1/a"] }]);
  assert.deepEqual(parseSpec("x=split=1/a"), [{ dimension: "x", files: ["split=1/a"] }]);
});

Deno.test("parseSpec() refuses what is neither form", () => {
  for (const spec of ["", "a,b", "x=a,b", "x=", "x=a+", "x=a,x=b", "x=a,,y=b"]) {
    assert.throws(() => parseSpec(spec), {
      name: "InputError",
      message: /^Cannot read the dataset option: expected /,
    }, spec);
  }
});
