import assert from "node:assert/strict";
import { memorySource } from "../../../core/bytes.ts";
import { CorruptFileError, InputError } from "../../../core/errors.ts";
import { llama } from "../../../core/models/families/llama.ts";
import { encodeSafetensors, type TensorData } from "../../../core/models/safetensors.ts";
import { openShards, permuteRows, unpermuteRows } from "../../../core/models/weights.ts";

const config = llama.fromConfigJson({
  vocab_size: 3,
  hidden_size: 4,
  intermediate_size: 5,
  num_hidden_layers: 1,
  num_attention_heads: 1,
  tie_word_embeddings: true,
}, "config.json");

function tensors(): Record<string, TensorData> {
  const out: Record<string, TensorData> = {};
  for (const [name, shape] of llama.weightShapes(config)) {
    const count = shape.reduce((a, b) => a * b, 1);
    out[name] = { dtype: "F32", shape, data: new Uint8Array(4 * count) };
  }
  return out;
}

function open(
  files: Record<string, Record<string, TensorData>>,
  weightMap?: Record<string, string>,
) {
  const shards = new Map(
    Object.entries(files).map(([name, t]) => [name, memorySource(name, encodeSafetensors(t))]),
  );
  return openShards(shards, { config, folder: "DIR", weightMap });
}

Deno.test("unpermuteRows() takes rows 2j and 2j+1 of a head apart", () => {
  // two heads of 4 rows of one value; stored order of a head is j0, j0+half, j1, j1+half
  const stored = Float32Array.of(0, 2, 1, 3, 10, 12, 11, 13);
  assert.deepEqual([...unpermuteRows(stored, 2, 4)], [0, 1, 2, 3, 10, 11, 12, 13]);
  assert.deepEqual([...permuteRows(unpermuteRows(stored, 2, 4), 2, 4)], [...stored]);
});

Deno.test("openShards() serves the model's weights and no others", async () => {
  const all = tensors();
  const rotary: TensorData = { dtype: "F32", shape: [2], data: new Uint8Array(8) };
  const source = await open({
    "a.safetensors": { ...all, "model.layers.0.self_attn.rotary_emb.inv_freq": rotary },
  });
  assert.deepEqual(source.names, Object.keys(all));
  assert.deepEqual(source.shape("model.layers.0.mlp.down_proj.weight"), [4, 5]);
  assert.equal((await source.read("model.embed_tokens.weight")).length, 12);
  await assert.rejects(source.read("lm_head.weight"), TypeError);
  assert.throws(() => source.shape("model.layers.0.self_attn.rotary_emb.inv_freq"), TypeError);
});

Deno.test("openShards() refuses missing weights, wrong shapes and repeated tensors", async () => {
  const { "model.norm.weight": norm, ...rest } = tensors();
  assert(norm);
  await assert.rejects(open({ "a.safetensors": rest }), corrupt(/DIR.*model\.norm\.weight.*none/));
  const long: TensorData = { dtype: "F32", shape: [5], data: new Uint8Array(20) };
  await assert.rejects(
    open({ "a.safetensors": { ...rest, "model.norm.weight": long } }),
    corrupt(/a\.safetensors.*\[4\], got \[5\]/),
  );
  await assert.rejects(
    open({ "a.safetensors": tensors(), "b.safetensors": { "model.norm.weight": norm } }),
    corrupt(/b\.safetensors.*model\.norm\.weight/),
  );
});

Deno.test("openShards() holds files to their index", async () => {
  const all = tensors();
  const map = Object.fromEntries(Object.keys(all).map((name) => [name, "a.safetensors"]));
  await open({ "a.safetensors": all }, map);
  map["model.norm.weight"] = "b.safetensors";
  await assert.rejects(open({ "a.safetensors": all }, map), corrupt(/b\.safetensors/));
});

Deno.test("openShards() refuses integer weights and biases", async () => {
  const quantised: TensorData = { dtype: "I8", shape: [4], data: new Uint8Array(4) };
  await assert.rejects(
    open({ "a.safetensors": { ...tensors(), "model.norm.weight": quantised } }),
    (error) => error instanceof InputError && /BF16 weights, got I8/.test(error.message),
  );
  await assert.rejects(
    open({ "a.safetensors": { ...tensors(), "model.layers.0.self_attn.q_proj.bias": quantised } }),
    (error) => error instanceof InputError && /no biases/.test(error.message),
  );
});

function corrupt(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof CorruptFileError && message.test(error.message);
}
