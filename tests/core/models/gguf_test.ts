import assert from "node:assert/strict";
import fc from "fast-check";
import { gguf } from "@huggingface/gguf";
import { memorySource } from "../../../core/bytes.ts";
import { CorruptFileError, InputError } from "../../../core/errors.ts";
import { openGguf } from "../../../core/models/gguf.ts";

const folder = new URL("../../golden/llama_gguf/", import.meta.url);

Deno.test("openGguf() reads what @huggingface/gguf reads", async () => {
  const bytes = await Deno.readFile(new URL("tied.gguf", folder));
  const ours = await openGguf(memorySource("tied.gguf", bytes));
  const theirs = await gguf("http://memory/tied.gguf", { fetch: rangesOf(bytes) });
  const { version: _, tensor_count: __, kv_count: ___, ...metadata } = theirs.metadata;
  assert.deepEqual(ours.metadata, { ...metadata });
  assert.deepEqual(
    [...ours.tensors].map(([name, t]) => [name, t.shape.toReversed(), t.offset]),
    theirs.tensorInfos.map((t) => [
      t.name,
      t.shape.map(Number),
      Number(t.offset + theirs.tensorDataOffset),
    ]),
  );
});

Deno.test("openGguf() refuses every truncation, naming the file", async () => {
  const bytes = await Deno.readFile(new URL("f16.gguf", folder));
  const file = await openGguf(memorySource("f16.gguf", bytes));
  const end = Math.max(...[...file.tensors.values()].map((t) => t.offset + t.length));
  for (let length = 0; length < end; length += length < 2000 ? 7 : 501) {
    await assert.rejects(
      openGguf(memorySource("cut.gguf", bytes.subarray(0, length))),
      (error) => error instanceof CorruptFileError && error.message.includes("cut.gguf"),
    );
  }
});

Deno.test("openGguf() refuses damaged headers or reads within the file", async () => {
  const bytes = await Deno.readFile(new URL("llama3.gguf", folder));
  const header = Math.min(
    ...[...(await openGguf(memorySource("x", bytes))).tensors.values()].map((t) => t.offset),
  );
  const change = fc.record({ at: fc.nat(header - 1), byte: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
      const damaged = bytes.slice();
      for (const { at, byte } of changes) damaged[at] = byte;
      try {
        const file = await openGguf(memorySource("bad.gguf", damaged));
        for (const [name, { shape }] of file.tensors) {
          assert.equal((await file.read(name)).length, shape.reduce((a, b) => a * b, 1));
        }
      } catch (error) {
        assert(error instanceof CorruptFileError || error instanceof InputError, String(error));
        assert(error.message.includes("bad.gguf"));
      }
    }),
    { numRuns: 1500, seed: 1 },
  );
});

Deno.test("openGguf() reads a header longer than its first read", async () => {
  // 6 MiB in one string, before a tensor of one value
  const text = "long ".repeat(1_200_000) + "end";
  const file = await openGguf(memorySource("long.gguf", smallGguf(text)));
  assert.equal(file.metadata["general.description"], text);
  assert.deepEqual([...await file.read("x")], [2.5]);
});

Deno.test("openGguf() names the tensor types it reads when it meets another", async () => {
  const bytes = smallGguf("");
  bytes[typeField] = 34; // TQ1_0
  await assert.rejects(
    openGguf(memorySource("tq1.gguf", bytes)),
    (error) =>
      error instanceof InputError && /tq1\.gguf.*Q4_1.*IQ4_NL.*type 34/.test(error.message),
  );
});

/** A GGUF file with one string field and one F32 tensor "x" holding 2.5. */
function smallGguf(text: string): Uint8Array {
  const parts: Uint8Array[] = [];
  const encoder = new TextEncoder();
  const u32 = (n: number) => parts.push(new Uint8Array(Uint32Array.of(n).buffer));
  const u64 = (n: number) => parts.push(new Uint8Array(BigUint64Array.of(BigInt(n)).buffer));
  function string(s: string): void {
    u64(s.length);
    parts.push(encoder.encode(s));
  }
  parts.push(encoder.encode("GGUF"));
  u32(3);
  u64(1);
  u64(1);
  string("general.description");
  u32(8);
  string(text);
  string("x");
  u32(1);
  u64(1);
  u32(0);
  u64(0);
  const length = parts.reduce((sum, p) => sum + p.length, 0);
  parts.push(new Uint8Array(Math.ceil(length / 32) * 32 - length));
  parts.push(new Uint8Array(Float32Array.of(2.5).buffer));
  const bytes = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return bytes;
}

/** Position of the tensor's type in smallGguf(""): after its name (9 bytes), rank and one size. */
const typeField = 24 + (8 + "general.description".length + 4 + 8) + 9 + 4 + 8;

/** A fetch that answers range requests from memory. */
function rangesOf(bytes: Uint8Array<ArrayBuffer>): typeof fetch {
  return (_, init) => {
    const range = new Headers(init?.headers).get("range") ?? "";
    const [start = 0, end = 0] = (/(\d+)-(\d+)/.exec(range) ?? []).slice(1).map(Number);
    return Promise.resolve(new Response(bytes.slice(start, end + 1)));
  };
}
