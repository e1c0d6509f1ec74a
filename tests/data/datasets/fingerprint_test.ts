import assert from "node:assert/strict";
import { InputError } from "../../../core/errors.ts";
import { datasetFingerprint } from "../../../data/datasets/fingerprint.ts";
import { withFiles } from "./files.ts";

const dimensions = ["helpful", "harmless"];

Deno.test("datasetFingerprint() is that of the bytes, wherever the files lie", async () => {
  await withFiles({ "a.jsonl": "one", "same.jsonl": "one", "b.jsonl": "two" }, async (paths) => {
    const of = (spec: string) => datasetFingerprint(spec, dimensions);
    const [a, same, b] = [paths["a.jsonl"], paths["same.jsonl"], paths["b.jsonl"]];
    assert.match(await of(`${a}`), /^[0-9a-f]{64}$/);
    assert.equal(await of(`${a}`), await of(`${same}`));
    assert.equal(await of(`helpful=${a},harmless=${b}`), await of(`helpful=${same},harmless=${b}`));
    const different = await Promise.all(
      [`${a}`, `${b}`, `${a}+${b}`, `${b}+${a}`, `helpful=${a}`, `harmless=${a}`].map(of),
    );
    assert.equal(new Set(different).size, different.length);
    assert.notEqual(await of(`${a}`), await datasetFingerprint(`${a}`, ["helpful"]));
  });
});

Deno.test("datasetFingerprint() sees a file of the same length with other bytes", async () => {
  await withFiles({ "a.jsonl": "one" }, async ({ "a.jsonl": path = "" }) => {
    const before = await datasetFingerprint(path, dimensions);
    assert.equal(await datasetFingerprint(path, dimensions), before);
    const { mtime, atime } = await Deno.stat(path);
    await Deno.writeTextFile(`${path}.new`, "eno");
    await Deno.rename(`${path}.new`, path);
    await Deno.utime(path, atime ?? 0, mtime ?? 0); // as a copy that keeps times does
    assert.notEqual(await datasetFingerprint(path, dimensions), before);
  });
});

Deno.test("datasetFingerprint() of the built-in world depends on its dimensions alone", async () => {
  const one = await datasetFingerprint("builtin", dimensions);
  assert.equal(await datasetFingerprint("builtin", [...dimensions]), one);
  assert.notEqual(await datasetFingerprint("builtin", ["helpful", "concise"]), one);
  assert.notEqual(await datasetFingerprint("builtin", ["harmless", "helpful"]), one);
});

Deno.test("datasetFingerprint() refuses a file that is not there, and finds it once it is", async () => {
  await withFiles({ "a.jsonl": "one" }, async ({ "a.jsonl": path = "" }) => {
    const missing = `${path}.later`;
    for (const spec of [missing, `helpful=${path},harmless=${missing}`, `${path}/..`]) {
      await assert.rejects(datasetFingerprint(spec, dimensions), InputError, spec);
    }
    await Deno.copyFile(path, missing);
    assert.equal(
      await datasetFingerprint(missing, dimensions),
      await datasetFingerprint(path, dimensions),
    );
  });
});
