import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { CorruptFileError, StorageError } from "../../core/errors.ts";
import { Random } from "../../core/random.ts";
import { extractEntry, hashFile, readZipDirectory } from "../../data/wheel.ts";
import { temporaryFolder } from "./store/fixtures.ts";
import { makeZip } from "./zip.ts";

function noise(length: number, seed = 1): Uint8Array {
  const random = new Random(seed);
  // Half of it compressible, so that deflate uses stored and coded blocks.
  return Uint8Array.from({ length }, (_, i) => (i % 2000 < 1000 ? i & 7 : random.integer(256)));
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

Deno.test("extractEntry() unpacks deflated and stored files of any size", async () => {
  await using folder = await temporaryFolder();
  const files: Record<string, Uint8Array> = {
    "empty": new Uint8Array(),
    "a/small.txt": new TextEncoder().encode("text"),
    "a/large.bin": noise(3_000_000),
    "stored.bin": noise(2_500_000, 2),
  };
  const zip = join(folder.path, "a.whl");
  await Deno.writeFile(
    zip,
    makeZip(files, { stored: ["stored.bin"], comment: "PK\u0005\u0006 no" }),
  );
  const entries = await readZipDirectory(zip);
  assert.deepEqual(entries.map(({ name }) => name), Object.keys(files));
  for (const [i, entry] of entries.entries()) {
    const content = files[entry.name] ?? new Uint8Array();
    const target = join(folder.path, `${i}`);
    const seen: number[] = [];
    const hash = await extractEntry(zip, entry, { target, onBytes: (n) => seen.push(n) });
    assert.equal(hash, sha256(content));
    assert.equal(sha256(await Deno.readFile(target)), hash);
    assert.equal(seen.at(-1) ?? 0, content.length);
  }
});

Deno.test("readZipDirectory() agrees with Python's zipfile", async () => {
  await using folder = await temporaryFolder();
  const zip = join(folder.path, "a.zip");
  const script = "import sys, zipfile\n" +
    "z = zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED)\n" +
    "z.writestr('x/one.txt', 'one' * 1000); z.writestr('two', b'\\x00' * 70000); z.close()";
  const python = await new Deno.Command("python3", { args: ["-c", script, zip] }).output()
    .catch(() => null);
  if (!python?.success) return; // no Python here: the zips of zip.ts remain
  const entries = await readZipDirectory(zip);
  assert.deepEqual(entries.map(({ name, size }) => [name, size]), [["x/one.txt", 3000], [
    "two",
    70000,
  ]]);
  for (const entry of entries) {
    await extractEntry(zip, entry, { target: join(folder.path, entry.name.replace("/", "_")) });
  }
  assert.equal(await Deno.readTextFile(join(folder.path, "x_one.txt")), "one".repeat(1000));
});

Deno.test("readZipDirectory() refuses truncated and foreign files by name", async () => {
  await using folder = await temporaryFolder();
  const zip = join(folder.path, "bad.whl");
  const good = makeZip({ a: noise(5000), b: noise(100) });
  for (const length of [0, 10, 21, 1000, good.length - 60, good.length - 22, good.length - 1]) {
    await Deno.writeFile(zip, good.subarray(0, length));
    await assert.rejects(readZipDirectory(zip), (error) => {
      assert(error instanceof CorruptFileError && error.message.includes(zip), `${length}`);
      return true;
    });
  }
});

Deno.test("extractEntry() refuses damaged data, other methods and an existing target", async () => {
  await using folder = await temporaryFolder();
  const zip = join(folder.path, "bad.whl");
  const good = makeZip({ a: noise(50_000) });
  const [entry] = await (async () => {
    await Deno.writeFile(zip, good);
    return await readZipDirectory(zip);
  })();
  assert(entry);
  const target = (name: string) => ({ target: join(folder.path, name) });
  await assert.rejects(extractEntry(zip, { ...entry, method: 12 }, target("m")), CorruptFileError);
  await assert.rejects(extractEntry(zip, { ...entry, offset: 5 }, target("o")), CorruptFileError);
  for (const size of [entry.size - 1, entry.size + 1]) {
    await assert.rejects(
      extractEntry(zip, { ...entry, size }, target(`${size}`)),
      CorruptFileError,
    );
  }
  const zeroed = good.slice();
  zeroed.fill(0xff, 500, 1500);
  await Deno.writeFile(zip, zeroed);
  await assert.rejects(extractEntry(zip, entry, target("d")), CorruptFileError);
  await Deno.writeFile(zip, good);
  await extractEntry(zip, entry, target("twice"));
  await assert.rejects(extractEntry(zip, entry, target("twice")), StorageError);
});

Deno.test("hashFile() hashes a file or a part of it", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "x");
  const bytes = noise(2_100_000);
  await Deno.writeFile(path, bytes);
  assert.equal(await hashFile(path), sha256(bytes));
  assert.equal(await hashFile(path, { to: 1000 }), sha256(bytes.subarray(0, 1000)));
  assert.equal(await hashFile(path, { from: 2_000_000 }), sha256(bytes.subarray(2_000_000)));
});
