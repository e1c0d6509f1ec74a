import assert from "node:assert/strict";
import { InputError } from "../../../core/errors.ts";
import type { DecoderConfig } from "../../../core/models/config.ts";
import { families, familyOfConfigJson } from "../../../core/models/families.ts";
import { llama } from "../../../core/models/llama.ts";
import { ropeFrequencies } from "../../../core/models/rope.ts";

const base = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: 64,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
};

Deno.test("fromConfigJson() fills in LlamaConfig's defaults", () => {
  const config = llama.fromConfigJson(base, "config.json");
  assert.deepEqual(config, {
    family: "llama",
    vocabSize: 64,
    width: 16,
    layers: 2,
    heads: 4,
    kvHeads: 4,
    headDim: 4,
    mlpWidth: 24,
    normEpsilon: 1e-6,
    tiedHead: false,
    maxPositions: 2048,
    ropeTheta: 10000,
    ropeScaling: null,
    bosTokenId: null,
    eosTokenIds: [],
  });
});

Deno.test("fromConfigJson() reads rotary settings in both dialects", () => {
  const scaling = {
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const old = { rope_theta: 500000, rope_scaling: { rope_type: "llama3", ...scaling } };
  const older = { rope_theta: 500000, rope_scaling: { type: "llama3", ...scaling } };
  const now = { rope_parameters: { rope_type: "llama3", rope_theta: 500000, ...scaling } };
  for (const fields of [old, older, now]) {
    const { ropeTheta, ropeScaling } = llama.fromConfigJson({ ...base, ...fields }, "config.json");
    assert.equal(ropeTheta, 500000);
    assert.deepEqual(ropeScaling, {
      type: "llama3",
      factor: 8,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositions: 8192,
    });
  }
});

Deno.test("toConfigJson() is read back as the same configuration", () => {
  const scalings: (DecoderConfig["ropeScaling"])[] = [
    null,
    { type: "linear", factor: 2 },
    { type: "dynamic", factor: 2, originalMaxPositions: 2048 },
    {
      type: "llama3",
      factor: 8,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositions: 8192,
    },
    {
      type: "yarn",
      factor: 4,
      originalMaxPositions: 512,
      attentionFactor: 1.1,
      betaFast: 32,
      betaSlow: 1,
      truncate: false,
    },
  ];
  for (const ropeScaling of scalings) {
    for (const eosTokenIds of [[], [2], [2, 7]]) {
      const config: DecoderConfig = {
        ...llama.fromConfigJson(base, "config.json"),
        kvHeads: 2,
        headDim: 8,
        normEpsilon: 9.999999747378752e-6, // as a GGUF file tells 1e-5
        tiedHead: true,
        ropeTheta: 500000,
        ropeScaling,
        bosTokenId: 1,
        eosTokenIds,
      };
      const json = JSON.parse(JSON.stringify(llama.toConfigJson(config)));
      assert.deepEqual(llama.fromConfigJson(json, "config.json"), config);
    }
  }
});

Deno.test("toConfigJson() names the rotary factors of Llama 3.1 and 3.2, and no others", () => {
  const plain = { ...llama.fromConfigJson(base, "config.json"), headDim: 64, ropeTheta: 500000 };
  for (const factor of [8, 32]) {
    const ropeScaling = {
      type: "llama3" as const,
      factor,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositions: 8192,
    };
    const scaled = ropeFrequencies({ ...plain, ropeScaling }, 1);
    const factors = [...ropeFrequencies(plain, 1)].map((f, j) => Math.fround(f / (scaled[j] ?? 1)));
    const config = { ...plain, ropeScaling: { type: "factors" as const, factors } };
    const read = llama.fromConfigJson(llama.toConfigJson(config), "config.json");
    assert.deepEqual(read.ropeScaling, ropeScaling);
  }
  const factors = new Array<number>(32).fill(3);
  assert.throws(() => llama.toConfigJson({ ...plain, ropeScaling: { type: "factors", factors } }), {
    name: "InputError",
    message: "Cannot write a config.json: expected rotary factors of Llama 3.1 or 3.2, got others",
  });
});

const refused: [string, Record<string, unknown>, RegExp][] = [
  ["biases in attention", { attention_bias: true }, /attention_bias/],
  ["biases in the MLP", { mlp_bias: true }, /mlp_bias/],
  ["another activation", { hidden_act: "gelu" }, /silu, got gelu/],
  ["a sliding window", { sliding_window: 4096 }, /sliding window/],
  ["quantised weights", { quantization_config: { quant_method: "gptq" } }, /quantised/],
  ["code of its own", { auto_map: { AutoModel: "x.Y" } }, /auto_map/],
  ["partial rotation", { partial_rotary_factor: 0.5 }, /partial_rotary_factor 0.5/],
  [
    "unknown rotary scaling",
    { rope_scaling: { type: "longrope", factor: 2 } },
    /yarn, got longrope/,
  ],
  ["rotary scaling without factor", { rope_scaling: { type: "linear" } }, /factor/],
  ["key heads that do not divide heads", { num_key_value_heads: 3 }, /divide 4 heads, got 3/],
  ["an odd head size", { head_dim: 5 }, /even head size/],
  ["no layers", { num_hidden_layers: undefined }, /num_hidden_layers, got none/],
  ["a size that is text", { hidden_size: "16" }, /hidden_size, got "16"/],
];

for (const [what, fields, message] of refused) {
  Deno.test(`fromConfigJson() refuses a model with ${what}`, () => {
    assert.throws(
      () => llama.fromConfigJson({ ...base, ...fields }, "DIR/config.json"),
      (error) =>
        error instanceof InputError && message.test(error.message) &&
        error.message.startsWith("Cannot use DIR/config.json: "),
    );
  });
}

Deno.test("familyOfConfigJson() names the families it knows when it meets another", () => {
  assert.equal(familyOfConfigJson(base, "config.json"), llama);
  assert.equal(familyOfConfigJson({ model_type: "llama" }, "config.json"), llama);
  assert.throws(
    () => familyOfConfigJson({ architectures: ["GPT2LMHeadModel"] }, "config.json"),
    (error) =>
      error instanceof InputError &&
      /LlamaForCausalLM.*, got GPT2LMHeadModel/.test(error.message),
  );
});

for (const family of families) {
  Deno.test(`weightShapes() and ggufTensor() of ${family.name} name every weight once`, () => {
    const config = family.fromConfigJson(
      { ...base, architectures: family.architectures },
      "config.json",
    );
    const names = [...family.weightShapes(config).keys()];
    const stored = names.map((name) => family.ggufTensor(name, config).name);
    assert.equal(new Set(stored).size, names.length);
    assert.throws(() => family.ggufTensor("model.layers.0.unknown.weight", config), TypeError);
  });
}
