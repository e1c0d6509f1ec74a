import assert from "node:assert/strict";
import { memorySource } from "../../../core/bytes.ts";
import { ggufLora } from "../../../core/export/gguf_lora.ts";
import { openGguf } from "../../../core/models/gguf.ts";
import { openModel } from "../../../data/models.ts";
import { modelPath } from "../generate/decoders.ts";

Deno.test("ggufLora() names tensors and turns rows of queries and keys as llama.cpp has them", async () => {
  const { config, close } = await openModel(modelPath("llama_tied")); // 4 heads, 2 key heads of 8
  close();
  const maps = (["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"] as const)
    .map((map, i) => {
      const out = i === 0 ? 32 : 16;
      return {
        module: `model.layers.1.${map}`,
        in: 16,
        out,
        A: Float32Array.from({ length: 16 }, (_, j) => j),
        B: Float32Array.from({ length: out }, (_, row) => row),
      };
    });
  const bytes = ggufLora({ rank: 1, maps }, { config, name: "an adapter" });
  const file = await openGguf(memorySource("lora.gguf", bytes));
  assert.deepEqual(file.metadata, {
    "general.architecture": "llama",
    "general.type": "adapter",
    "general.name": "an adapter",
    "adapter.type": "lora",
    "adapter.lora.alpha": 1, // the rank, so that llama.cpp's alpha / rank is 1
  });
  assert.deepEqual(
    [...file.tensors].map(([name, { shape, type }]) => [name, shape, type.name]),
    [
      ["blk.1.attn_q.weight.lora_a", [1, 16], "F32"],
      ["blk.1.attn_q.weight.lora_b", [32, 1], "F32"],
      ["blk.1.attn_k.weight.lora_a", [1, 16], "F32"],
      ["blk.1.attn_k.weight.lora_b", [16, 1], "F32"],
      ["blk.1.attn_v.weight.lora_a", [1, 16], "F32"],
      ["blk.1.attn_v.weight.lora_b", [16, 1], "F32"],
    ],
  );
  // Within a head of 8, rows 2j and 2j + 1 are Hugging Face's rows j and j + 4.
  const head = [0, 4, 1, 5, 2, 6, 3, 7];
  const heads = (count: number) =>
    Array.from({ length: count }, (_, h) => head.map((row) => 8 * h + row)).flat();
  assert.deepEqual([...await file.read("blk.1.attn_q.weight.lora_b")], heads(4));
  assert.deepEqual([...await file.read("blk.1.attn_k.weight.lora_b")], heads(2));
  assert.deepEqual([...await file.read("blk.1.attn_v.weight.lora_b")], [...Array(16).keys()]);
});
