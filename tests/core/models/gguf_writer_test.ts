import assert from "node:assert/strict";
import { join } from "node:path";
import { memorySource } from "../../../core/bytes.ts";
import { openGguf } from "../../../core/models/gguf.ts";
import { encodeGguf, type Float32Tensor } from "../../../core/models/gguf_writer.ts";
import { assertSameBits } from "../../near.ts";
import { runPython, whyNoModules } from "../../python.ts";

const metadata = {
  "general.architecture": { type: "string", value: "llama" },
  "general.name": { type: "string", value: "λ ≥ 0 — é" },
  "adapter.lora.alpha": { type: "float32", value: 10.5 },
  "some.count": { type: "uint32", value: 2 ** 32 - 1 },
} as const;

const tensors = new Map<string, Float32Tensor>([
  ["blk.0.attn_q.weight.lora_a", { shape: [2, 3], values: Float32Array.of(1, 2, 3, 4, 5, -0) }],
  ["one", { shape: [1], values: Float32Array.of(2 ** -140) }],
  ["deep", { shape: [2, 1, 2, 3], values: Float32Array.from({ length: 12 }, (_, i) => i) }],
]);

Deno.test("encodeGguf() lays out one tensor as the format says", () => {
  const bytes = encodeGguf({
    metadata: { a: { type: "uint32", value: 7 } },
    tensors: new Map([["t", { shape: [1, 2], values: Float32Array.of(1, -2) }]]),
  });
  // deno-fmt-ignore
  const header = [
    0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0, // "GGUF", version 3
    1, 0, 0, 0, 0, 0, 0, 0,             // one tensor
    1, 0, 0, 0, 0, 0, 0, 0,             // one metadata field
    1, 0, 0, 0, 0, 0, 0, 0, 0x61,       // "a"
    4, 0, 0, 0, 7, 0, 0, 0,             // uint32 7
    1, 0, 0, 0, 0, 0, 0, 0, 0x74,       // "t"
    2, 0, 0, 0,                         // two dimensions, the fastest first
    2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // float32, at offset 0 of the data
  ];
  // 82 bytes of header: data start at 96, the next multiple of 32, and end at 128.
  assert.equal(header.length, 82);
  const data = [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0];
  const expected = [...header, ...Array(14).fill(0), ...data, ...Array(24).fill(0)];
  assert.deepEqual([...bytes], expected);
});

Deno.test("openGguf() reads back what encodeGguf() wrote, bit for bit", async () => {
  const file = await openGguf(memorySource("own.gguf", encodeGguf({ metadata, tensors })));
  assert.deepEqual(
    file.metadata,
    Object.fromEntries(Object.entries(metadata).map(([key, { value }]) => [key, value])),
  );
  assert.deepEqual([...file.tensors.keys()], [...tensors.keys()]);
  for (const [name, { shape, values }] of tensors) {
    assert.deepEqual(file.tensors.get(name)?.shape, shape);
    assertSameBits(await file.read(name), values, name);
  }
});

Deno.test("encodeGguf() refuses what a file cannot hold", () => {
  const write = (given: Partial<Parameters<typeof encodeGguf>[0]>) =>
    encodeGguf({ metadata: {}, tensors: new Map(), ...given });
  const tensor = (name: string, shape: number[], length = 4) =>
    write({ tensors: new Map([[name, { shape, values: new Float32Array(length) }]]) });
  const cases: [() => unknown, RegExp][] = [
    [
      () => tensor("t", [2, 3]),
      /Cannot write tensor t: expected 1 to 4 sizes that hold 4 values, /,
    ],
    [() => tensor("t", []), /expected 1 to 4 sizes/],
    [() => tensor("t", [1, 1, 1, 1, 4]), /expected 1 to 4 sizes/],
    [() => tensor("t", [0], 0), /expected 1 to 4 sizes/],
    [() => tensor("n".repeat(64), [4]), /expected a name of 1 to 63 bytes, got 64/],
    [() => tensor("", [4]), /expected a name of 1 to 63 bytes, got 0/],
    [
      () => write({ metadata: { k: { type: "uint32", value: 1.5 } } }),
      /32-bit whole number, got 1.5/,
    ],
    [
      () => write({ metadata: { k: { type: "uint32", value: -1 } } }),
      /32-bit whole number, got -1/,
    ],
    [() => write({ metadata: { k: { type: "float32", value: 1e39 } } }), /finite 32-bit number/],
    [() => write({ metadata: { k: { type: "string", value: "\ud800" } } }), /well-formed text/],
  ];
  for (const [attempt, message] of cases) assert.throws(attempt, { name: "TypeError", message });
});

const missing = await whyNoModules("gguf");

Deno.test({
  name: "PyPI gguf reads what encodeGguf() wrote" +
    (missing === null ? "" : `: skipped, ${missing}`),
  ignore: missing !== null,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const path = join(folder, "own.gguf");
      await Deno.writeFile(path, encodeGguf({ metadata, tensors }));
      const script = new URL("./read_gguf.py", import.meta.url);
      const found = await runPython<{
        fields: Record<string, unknown>;
        tensors: Record<string, { type: string; shape: number[]; values: number[] }>;
      }>(script, { args: [path] });
      for (const [key, { value }] of Object.entries(metadata)) {
        assert.equal(found.fields[key], value, key);
      }
      for (const [name, { shape, values }] of tensors) {
        const own = found.tensors[name];
        assert.deepEqual([own?.type, own?.shape], ["F32", shape], name);
        assertSameBits(Float32Array.from(own?.values ?? []), values, name);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
