import assert from "node:assert/strict";
import { readJsonLines } from "../../../data/datasets/jsonl.ts";
import { gzip, withFiles } from "./files.ts";

async function collect(path: string): Promise<unknown[]> {
  const rows: unknown[] = [];
  for await (const { value, where } of readJsonLines(path)) {
    rows.push([value, where.slice(where.lastIndexOf(":") + 1)]);
  }
  return rows;
}

Deno.test("readJsonLines() reads plain and compressed files alike", async () => {
  // The last line has no line end, the second is blank, "é" takes two bytes.
  const text = '{"a":1}\r\n\n["é"]\n3';
  await withFiles({ "a.jsonl": text, "a.jsonl.gz": text }, async (paths) => {
    for (const path of Object.values(paths)) {
      assert.deepEqual(await collect(path), [[{ a: 1 }, "1"], [["é"], "3"], [3, "4"]]);
    }
  });
});

Deno.test("readJsonLines() reads lines longer than a chunk, many of them", async () => {
  const rows = Array.from({ length: 200 }, (_, i) => ({ i, text: `${i}é`.repeat(i * 5) }));
  await withFiles({ "a.jsonl": rows, "a.jsonl.gz": rows }, async (paths) => {
    for (const path of Object.values(paths)) {
      assert.deepEqual(await collect(path), rows.map((row, i) => [row, `${i + 1}`]));
    }
  });
});

Deno.test("readJsonLines() closes its file when the reader stops early", async () => {
  await withFiles({ "a.jsonl.gz": Array.from({ length: 9999 }, (_, i) => i) }, async (paths) => {
    for await (const { value } of readJsonLines(paths["a.jsonl.gz"] ?? "")) {
      if (value === 3) break;
    }
  });
});

Deno.test("readJsonLines() names file and line of what is not JSON", async () => {
  await withFiles({ "a.jsonl": '{"a":1}\n{"a":\n' }, async (paths) => {
    await assert.rejects(collect(paths["a.jsonl"] ?? ""), {
      name: "InputError",
      message: `Cannot read ${paths["a.jsonl"]}:2: expected one JSON object a line, got {"a":`,
    });
  });
});

Deno.test("readJsonLines() names a missing file and a folder", async () => {
  await withFiles({ "a.jsonl": "" }, async (paths) => {
    const folder = (paths["a.jsonl"] ?? "").replace("/a.jsonl", "");
    await assert.rejects(collect(`${folder}/b.jsonl`), {
      name: "InputError",
      message: /b\.jsonl.*none/,
    });
    await assert.rejects(collect(`${paths["a.jsonl"]}/b`), { name: "InputError", message: /none/ });
    await assert.rejects(collect(folder), { name: "InputError", message: /got a folder/ });
  });
});

Deno.test("readJsonLines() names a damaged file", async () => {
  const whole = await gzip(JSON.stringify({ text: crypto.randomUUID().repeat(50) }));
  const flipped = whole.map((byte, i) => (i === whole.length - 6 ? byte ^ 1 : byte)); // its CRC
  const damaged = {
    "truncated.jsonl.gz": whole.slice(0, -12),
    "flipped.jsonl.gz": flipped,
    "plain.jsonl.gz": new TextEncoder().encode("{}"),
    "latin1.jsonl": new Uint8Array([0x22, 0xe9, 0x22, 0x0a]),
  };
  await withFiles({ "a.jsonl": "" }, async (paths) => {
    for (const [name, bytes] of Object.entries(damaged)) {
      const path = (paths["a.jsonl"] ?? "").replace("a.jsonl", name);
      await Deno.writeFile(path, bytes);
      await assert.rejects(
        collect(path),
        (error: Error) => error.name === "CorruptFileError" && error.message.includes(name),
        name,
      );
    }
  });
});
