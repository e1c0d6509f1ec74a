import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { readJson, readJsonLines, textLimits } from "../../../data/datasets/jsonl.ts";
import { readParquet } from "../../../data/datasets/parquet.ts";
import { readRows } from "../../../data/datasets/rows.ts";
import { withFiles } from "./files.ts";

const golden = new URL("../../golden/parquet/", import.meta.url).pathname;

async function valuesOf(rows: AsyncIterable<{ value: unknown }>): Promise<unknown[]> {
  return (await Array.fromAsync(rows)).map(({ value }) => value);
}

Deno.test("readRows() reads Parquet as pyarrow wrote it, by every codec and page version", async () => {
  const expected = JSON.parse(await Deno.readTextFile(`${golden}rows.json`));
  const files = (await Array.fromAsync(Deno.readDir(golden)))
    .map(({ name }) => name).filter((name) => name.endsWith(".parquet"));
  assert.equal(files.length, 12);
  for (const name of files) {
    const rows = await Array.fromAsync(readRows(golden + name));
    assert.deepEqual(rows.map(({ value }) => value), expected, name);
    // three row groups of 10, 10 and 5 rows
    assert.deepEqual(
      rows.map(({ where }) => where),
      expected.map((_: unknown, i: number) => `${golden}${name}[${i}]`),
    );
  }
});

Deno.test("readRows() refuses damaged Parquet files, and closes them", async () => {
  const whole = await Deno.readFile(`${golden}zstd-v1.parquet`);
  const plain = await Deno.readFile(`${golden}none-v1.parquet`);
  const cases: Record<string, Uint8Array> = {
    "empty.parquet": new Uint8Array(0),
    "text.parquet": new TextEncoder().encode("not a table at all"),
    "cut.parquet": whole.slice(0, -20),
    // two columns out of range, of which the library awaits one
    "range.parquet": plain.map((byte, i) => (i === plain.length - 1186 ? byte ^ 0xff : byte)),
    "page.parquet": whole.map((byte, i) => (i >= 40 && i < 60 ? 0xff : byte)),
  };
  await withFiles({ "a.jsonl": "" }, async ({ "a.jsonl": path = "" }) => {
    for (const [name, bytes] of Object.entries(cases)) {
      const file = path.replace("a.jsonl", name);
      await Deno.writeFile(file, bytes);
      await assert.rejects(
        valuesOf(readRows(file)),
        (error: Error) =>
          error.name === "CorruptFileError" &&
          error.message.includes(`${name}: expected a Parquet`),
        name,
      );
    }
  });
});

Deno.test("readParquet() never decompresses past what a page declares", async () => {
  // A page of zeros, 64 MiB of them in 6 kB, in the place of one that declares 25 rows.
  const bomb = zstdCompressSync(new Uint8Array(2 ** 26));
  const whole = await Deno.readFile(`${golden}zstd-v1.parquet`);
  const bytes = new Uint8Array(whole);
  // zstd's magic number: where the first page begins
  const start = whole.findIndex((_, i) =>
    whole[i] === 0x28 && whole[i + 1] === 0xb5 && whole[i + 2] === 0x2f && whole[i + 3] === 0xfd
  );
  assert.ok(start > 0);
  bytes.set(bomb.subarray(0, 64), start);
  await withFiles({ "a.jsonl": "" }, async ({ "a.jsonl": path = "" }) => {
    const file = path.replace("a.jsonl", "bomb.parquet");
    await Deno.writeFile(file, bytes);
    const before = Deno.memoryUsage().rss;
    await assert.rejects(valuesOf(readParquet(file)), { name: "CorruptFileError" });
    assert.ok(Deno.memoryUsage().rss - before < 2 ** 25, "no 64 MiB were taken");
    await assert.rejects(
      valuesOf(readParquet(`${golden}gzip-v1.parquet`, { bytes: 99, values: 9 })),
      {
        name: "InputError",
        message:
          /expected row groups of at most 99 bytes and 9 values a column, got one of \d+ bytes/,
      },
    );
  });
});

Deno.test("readRows() names what files may be", async () => {
  await withFiles({ "a.csv": "x", "b.jsonl": "{}" }, async (paths) => {
    await assert.rejects(valuesOf(readRows(paths["a.csv"] ?? "")), {
      name: "InputError",
      message: /a\.csv: expected a \.jsonl, \.json \(either may be \.gz\) or \.parquet file, got/,
    });
    const missing = (paths["b.jsonl"] ?? "").replace("b.jsonl", "none");
    for (const name of [`${missing}.parquet`, `${missing}.csv`, `${missing}.json`]) {
      await assert.rejects(valuesOf(readRows(name)), {
        name: "InputError",
        message: `Cannot read ${name}: expected a data file, got none`,
      });
    }
  });
});

Deno.test("readJson() reads an array or lines, and names what is neither", async () => {
  const files = {
    "array.json": '\n [{"a":1},\n{"a":2}]',
    "array.json.gz": '[{"a":1},{"a":2}]',
    "lines.json": '{"a":1}\n{"a":2}',
    "empty.json": "",
    "cut.json": '[{"a":1},',
  };
  await withFiles(files, async (paths) => {
    for (const name of ["array.json", "array.json.gz", "lines.json"]) {
      assert.deepEqual(await valuesOf(readJson(paths[name] ?? "")), [{ a: 1 }, { a: 2 }], name);
    }
    assert.deepEqual(await valuesOf(readJson(paths["empty.json"] ?? "")), []);
    await assert.rejects(valuesOf(readJson(paths["cut.json"] ?? "")), {
      name: "InputError",
      message: /cut\.json: expected an array of rows as JSON/,
    });
  });
});

Deno.test("what gzip unpacks to is bounded: by line, by array and by file", async () => {
  await withFiles({ "a.jsonl": "" }, async ({ "a.jsonl": path = "" }) => {
    const file = path.replace("a.jsonl", "bomb.jsonl.gz");
    // 96 MiB of one letter in 100 kB: one line that never ends
    await Deno.writeFile(file, gzipSync(new Uint8Array(96 * 2 ** 20).fill(0x61)));
    const before = Deno.memoryUsage().rss;
    await assert.rejects(valuesOf(readJsonLines(file)), {
      name: "InputError",
      message: `Cannot read ${file}:1: expected lines of at most ${2 ** 26} characters, got more`,
    });
    assert.ok(Deno.memoryUsage().rss - before < 2 ** 29);

    const rows = path.replace("a.jsonl", "rows.json.gz");
    await Deno.writeFile(rows, gzipSync(`[${"{},".repeat(999)}{}]`));
    const tight = { ...textLimits, file: 1000 };
    await assert.rejects(valuesOf(readJson(rows, tight)), {
      name: "InputError",
      message: `Cannot read ${rows}: expected at most 1000 bytes of text, got more`,
    });
    await assert.rejects(valuesOf(readJson(rows, { ...textLimits, array: 2000 })), {
      name: "InputError",
      message: /expected .*at most 2000 characters, got more/,
    });
    assert.equal((await valuesOf(readJson(rows, { ...textLimits, array: 3001 }))).length, 1000);
  });
});
