import assert from "node:assert/strict";
import { join } from "node:path";
import { DivergedError } from "../../../core/errors.ts";
import { Random } from "../../../core/random.ts";
import { referenceCache } from "../../../data/store/reference_cache.ts";
import { temporaryFolder } from "./fixtures.ts";

Deno.test("referenceCache() gives back what was saved, bit for bit, and null otherwise", async () => {
  await using folder = await temporaryFolder();
  const cache = referenceCache(join(folder.path, "a", "b"));
  assert.equal(await cache.load("model|data"), null);
  const values = new Float32Array([-0, -12.345, 1e-45, -3.4e38]);
  await cache.save("model|data", values);
  await cache.save("empty", new Float32Array());
  assert.deepEqual(await cache.load("model|data"), values);
  assert.deepEqual(await cache.load("empty"), new Float32Array());
  assert.equal(await cache.load("model|data2"), null);
  await cache.save("model|data", values.slice(1));
  assert.equal((await cache.load("model|data"))?.length, 3);
});

Deno.test("referenceCache() drops a damaged file", async () => {
  await using folder = await temporaryFolder();
  const cache = referenceCache(folder.path);
  const random = new Random(3);
  const values = Float32Array.from({ length: 20 }, (_, i) => -i);
  await cache.save("key", values);
  const [entry] = await Array.fromAsync(Deno.readDir(folder.path));
  const file = join(folder.path, entry?.name ?? "");
  const good = await Deno.readFile(file);
  const damages = Array.from({ length: 60 }, () => {
    const bad = good.slice();
    const at = random.integer(bad.length);
    bad[at] = (bad[at] ?? 0) ^ (1 << random.integer(8));
    return bad;
  });
  for (const length of [0, 7, 8, 40, 41, good.length - 4, good.length - 1]) {
    damages.push(good.slice(0, length));
  }
  for (const bad of damages) {
    await Deno.writeFile(file, bad);
    assert.equal(await cache.load("key"), null);
    assert.equal(await Deno.stat(file).catch(() => null), null, "the damaged file is gone");
  }
  await cache.save("key", values);
  assert.deepEqual(await cache.load("key"), values);
});

Deno.test("referenceCache() refuses a file that was saved under another key", async () => {
  await using folder = await temporaryFolder();
  const cache = referenceCache(folder.path);
  await cache.save("a", new Float32Array([1]));
  const [a] = await Array.fromAsync(Deno.readDir(folder.path));
  await cache.save("b", new Float32Array([2]));
  const b = (await Array.fromAsync(Deno.readDir(folder.path))).find(({ name }) => name !== a?.name);
  await Deno.copyFile(join(folder.path, a?.name ?? ""), join(folder.path, b?.name ?? ""));
  assert.equal(await cache.load("b"), null);
});

Deno.test("referenceCache() never keeps a value that is not finite", async () => {
  await using folder = await temporaryFolder();
  const cache = referenceCache(folder.path);
  for (const bad of [NaN, Infinity]) {
    await assert.rejects(cache.save("key", new Float32Array([0, bad])), DivergedError);
  }
  assert.equal(await cache.load("key"), null);
});
