import assert from "node:assert/strict";
import { join } from "node:path";
import { writeFolderAtomic } from "../../../data/store/atomic.ts";
import { readFolderVerified } from "../../../data/store/manifest.ts";
import {
  encodeExportRecord,
  EXPORT_RECORD,
  type ExportRecord,
  prepareExport,
} from "../../../data/store/exports.ts";
import { crashAt } from "./crash.ts";
import { temporaryFolder } from "./fixtures.ts";

const record: ExportRecord = {
  format: "panacea-export",
  version: 1,
  kind: "peft",
  adapter: "first",
  adapter_sha256: "a".repeat(64),
  base_model: "base",
  base_fingerprint: "b".repeat(64),
  dimensions: ["helpful", "harmless"],
  preference: [0.3, 0.7],
};

function files(text: string): Record<string, string> {
  return { [EXPORT_RECORD]: encodeExportRecord(record), "inner/a.txt": text };
}

Deno.test("prepareExport() takes nothing, an empty folder, and an earlier export", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "around", "it", "out");
  await prepareExport(path); // makes what is around it
  await writeFolderAtomic(path, files("one"));
  await prepareExport(path);
  await writeFolderAtomic(path, files("two"));
  const { "inner/a.txt": text } = await readFolderVerified(path);
  assert.equal(new TextDecoder().decode(text), "two");
  const empty = join(folder.path, "empty");
  await Deno.mkdir(empty);
  await prepareExport(empty);
});

Deno.test("prepareExport() refuses what is not its own, naming it, and leaves it", async () => {
  await using folder = await temporaryFolder();
  const place = (name: string) => join(folder.path, name);
  await Deno.writeTextFile(place("file"), "mine");
  await Deno.mkdir(place("folder"));
  await Deno.writeTextFile(join(place("folder"), "letter.txt"), "mine");
  await writeFolderAtomic(place("export"), files("one"));
  await Deno.writeTextFile(join(place("export"), "inner", "notes.txt"), "mine");
  await Deno.symlink(place("folder"), place("link"));
  const cases = {
    file: "a file",
    folder: "a folder with letter.txt",
    export: "an earlier export with inner/notes.txt in it",
    link: "a link",
  };
  for (const [name, found] of Object.entries(cases)) {
    await assert.rejects(prepareExport(place(name)), {
      name: "InputError",
      message:
        `Cannot write the export to ${
          place(name)
        }: expected nothing there, an empty folder or an ` +
        `earlier export, got ${found}`,
    });
  }
  assert.equal(await Deno.readTextFile(join(place("export"), "inner", "notes.txt")), "mine");
});

Deno.test("an export that dies at any change of the disk leaves the old or the new, whole", async () => {
  await using folder = await temporaryFolder();
  let reached = true;
  let points = 0;
  for (let point = 1; reached; point++) {
    const path = join(folder.path, `out-${point}`);
    await writeFolderAtomic(path, files("one"));
    reached = await crashAt(point, async () => {
      await prepareExport(path);
      await writeFolderAtomic(path, files("two"));
    });
    if (reached) points++;
    await prepareExport(path); // puts a folder back whose replacement was cut off
    const { "inner/a.txt": text } = await readFolderVerified(path);
    assert(["one", "two"].includes(new TextDecoder().decode(text)), `after change ${point}`);
    if (!reached) assert.equal(new TextDecoder().decode(text), "two");
    const left = (await Array.fromAsync(Deno.readDir(folder.path))).map(({ name }) => name);
    assert.deepEqual(left, [`out-${point}`], `left over after change ${point}`);
    await Deno.remove(path, { recursive: true });
  }
  assert(points >= 8, `${points} points only`);
});
