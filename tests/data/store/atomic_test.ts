import assert from "node:assert/strict";
import { join } from "node:path";
import { CorruptFileError, InputError, StorageError } from "../../../core/errors.ts";
import { cleanTemporary, writeFileAtomic, writeFolderAtomic } from "../../../data/store/atomic.ts";
import { readFolderVerified } from "../../../data/store/manifest.ts";
import { temporaryFolder } from "./fixtures.ts";

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}

Deno.test("writeFileAtomic() writes and replaces a file and leaves nothing else", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "a.txt");
  await writeFileAtomic(path, "one");
  await writeFileAtomic(path, new Uint8Array([0x74, 0x77, 0x6f]));
  assert.equal(await Deno.readTextFile(path), "two");
  assert.deepEqual(await namesIn(folder.path), ["a.txt"]);
});

Deno.test("writeFileAtomic() names path and bytes when the folder is missing", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "none", "a.txt");
  await assert.rejects(writeFileAtomic(path, "12345"), (error) => {
    assert(error instanceof StorageError);
    assert(error.message.includes(path) && error.message.includes("5 bytes"), error.message);
    return true;
  });
});

Deno.test("writeFolderAtomic() writes files that readFolderVerified() returns", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "data");
  await writeFolderAtomic(path, { "a.bin": new Uint8Array([1, 2]), "b.txt": "b", empty: "" });
  const files = await readFolderVerified(path);
  assert.deepEqual(Object.keys(files), ["a.bin", "b.txt", "empty"]);
  assert.deepEqual([...files["a.bin"] ?? []], [1, 2]);
  assert.equal(text(files["b.txt"]), "b");
});

Deno.test("writeFolderAtomic() writes files in folders, and every byte of them is checked", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "data");
  await writeFolderAtomic(path, { "a.txt": "a", "inner/a.txt": "b", "inner/deep/a.txt": "c" });
  const files = await readFolderVerified(path);
  assert.deepEqual(Object.values(files).map(text), ["a", "b", "c"]);
  await Deno.writeTextFile(join(path, "inner", "deep", "a.txt"), "d");
  await assert.rejects(readFolderVerified(path), {
    name: "CorruptFileError",
    message: /inner\/deep\/a\.txt/,
  });
});

Deno.test("writeFolderAtomic() replaces a folder whole", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "data");
  await writeFolderAtomic(path, { old: "1", both: "1" });
  await writeFolderAtomic(path, { both: "2" });
  assert.deepEqual(await namesIn(path), ["both", "manifest.json"]);
  assert.equal(text((await readFolderVerified(path)).both), "2");
  assert.deepEqual(await namesIn(folder.path), ["data"]);
});

Deno.test("writeFolderAtomic() refuses names that lead elsewhere and writes nothing", async () => {
  await using folder = await temporaryFolder();
  const names = [
    "../a",
    "a/../b",
    "a/./b",
    "a//b",
    "a/.b",
    "a/",
    "/a",
    ".hidden",
    "",
    "manifest.json",
  ];
  for (const name of names) {
    await assert.rejects(writeFolderAtomic(join(folder.path, "data"), { [name]: "" }), TypeError);
  }
  assert.deepEqual(await namesIn(folder.path), []);
});

Deno.test("readFolderVerified() names what is missing, truncated, longer or exchanged", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "data");
  const damages: Record<string, (file: string) => Promise<void>> = {
    missing: (file) => Deno.remove(file),
    truncated: (file) => Deno.truncate(file, 3),
    longer: (file) => Deno.writeTextFile(file, "x", { append: true }),
    exchanged: (file) => Deno.writeTextFile(file, "another"),
    folder: async (file) => {
      await Deno.remove(file);
      await Deno.mkdir(file);
    },
  };
  for (const [damage, apply] of Object.entries(damages)) {
    for (const name of ["a.txt", "manifest.json"]) {
      await writeFolderAtomic(path, { "a.txt": "content", "b.txt": "b" });
      await apply(join(path, name));
      await assert.rejects(readFolderVerified(path), (error) => {
        assert(error instanceof CorruptFileError, damage);
        assert(error.message.includes(join(path, name)), `${damage}: ${error.message}`);
        return true;
      });
    }
  }
});

Deno.test("readFolderVerified() refuses a missing folder and a file as bad input", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(join(folder.path, "file"), "");
  for (const name of ["none", "file"]) {
    await assert.rejects(readFolderVerified(join(folder.path, name)), InputError);
  }
});

Deno.test("readFolderVerified() refuses a manifest that lists files outside its folder", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "data");
  await writeFolderAtomic(path, { "a.txt": "a" });
  const manifest = await Deno.readTextFile(join(path, "manifest.json"));
  await Deno.writeTextFile(join(path, "manifest.json"), manifest.replace("a.txt", "../a.txt"));
  await assert.rejects(readFolderVerified(path), CorruptFileError);
});

Deno.test("cleanTemporary() removes leftovers and keeps everything else", async () => {
  await using folder = await temporaryFolder();
  await writeFolderAtomic(join(folder.path, "data"), { a: "1" });
  await Deno.mkdir(join(folder.path, ".tmp-data~1", "deep"), { recursive: true });
  await Deno.writeTextFile(join(folder.path, ".tmp-file~2"), "half");
  await Deno.writeTextFile(join(folder.path, ".hidden"), "mine");
  await Deno.mkdir(join(folder.path, ".old-data~3"));
  await cleanTemporary(folder.path);
  assert.deepEqual(await namesIn(folder.path), [".hidden", "data"]);
});

Deno.test("cleanTemporary() of one entry leaves what others are writing", async () => {
  await using folder = await temporaryFolder();
  for (const name of [".tmp-data~1", ".tmp-data2~2", ".tmp-other~3", ".old-data~4"]) {
    await Deno.mkdir(join(folder.path, name));
  }
  await cleanTemporary(folder.path, { of: "data" });
  assert.deepEqual(await namesIn(folder.path), [".tmp-data2~2", ".tmp-other~3", "data"]);
});

Deno.test("cleanTemporary() puts a folder back whose replacement was cut off", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "data");
  await writeFolderAtomic(path, { a: "1" });
  // The state between the two renames of a replacement.
  await Deno.rename(path, join(folder.path, ".old-data~12345678"));
  await Deno.mkdir(join(folder.path, ".tmp-data~87654321"));
  await cleanTemporary(folder.path);
  assert.deepEqual(await namesIn(folder.path), ["data"]);
  assert.equal(text((await readFolderVerified(path)).a), "1");
});
