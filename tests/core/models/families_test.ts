import assert from "node:assert/strict";
import { InputError } from "../../../core/errors.ts";
import type { DecoderConfig } from "../../../core/models/config.ts";
import { families, familyOfConfigJson, familyOfGguf } from "../../../core/models/families.ts";
import type { GgufFile } from "../../../core/models/gguf.ts";
import { llama } from "../../../core/models/families/llama.ts";
import { ropeFrequencies } from "../../../core/models/rope.ts";

/** Enough of any config.json: what is left out has its defaults, which are Llama's here. */
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
    { rope_scaling: { type: "ntk", factor: 2 } },
    /longrope, got ntk/,
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
      /LlamaForCausalLM.*Phi3ForCausalLM, got GPT2LMHeadModel/.test(error.message),
  );
});

Deno.test("familyOfGguf() names the architectures it knows when it meets another", () => {
  const file = (architecture: string): GgufFile => ({
    name: "x.gguf",
    metadata: { "general.architecture": architecture },
    tensors: new Map(),
    read: () => Promise.reject(new TypeError("unused")),
  });
  for (const family of families) {
    const { architecture } = family.gguf;
    const expected = architecture === "llama" ? llama : family; // Mistral is Llama there
    assert.equal(familyOfGguf(file(architecture)), expected);
  }
  assert.throws(() => familyOfGguf(file("mamba")), {
    name: "InputError",
    message: "Cannot use x.gguf: expected a model of family llama, qwen2, qwen3, olmo2, gemma2, " +
      "gemma3, phi3, got mamba",
  });
});

/** A config.json in which defaults of large models do no harm. */
const small = { ...base, num_key_value_heads: 2, head_dim: 8 };

for (const family of families) {
  const read = (fields: Record<string, unknown>) =>
    family.fromConfigJson(
      { ...small, ...fields, architectures: family.architectures, model_type: family.modelType },
      "config.json",
    );

  Deno.test(`weightShapes(), fileName() and ggufTensor() of ${family.name} name every weight`, () => {
    const config = read({});
    const names = [...family.weightShapes(config).keys()];
    const files = new Set(names.map(family.fileName));
    assert.equal(files.size, names.length - config.layers * fusedAway(family.fused));
    const stored = [...files].map((name) => family.ggufTensor(name, config).name);
    assert.equal(new Set(stored).size, files.size);
    assert.throws(() => family.ggufTensor("model.layers.0.unknown.weight", config), TypeError);
  });

  Deno.test(`toConfigJson() of ${family.name} is read back as the same configuration`, () => {
    const windows = [
      {},
      ...family === llama ? [] : [
        { sliding_window: 3, use_sliding_window: true, max_window_layers: 1 },
      ],
    ];
    const rotary = [{}, { rope_theta: 5000, rope_scaling: { rope_type: "linear", factor: 2 } }];
    for (
      const fields of windows.flatMap((window) => rotary.map((own) => ({ ...window, ...own })))
    ) {
      const config = read({ ...fields, bos_token_id: 1, eos_token_id: [2, 3] });
      const json = JSON.parse(JSON.stringify(family.toConfigJson(config)));
      assert.equal(familyOfConfigJson(json, "config.json"), family);
      assert.deepEqual(family.fromConfigJson(json, "config.json"), config);
    }
  });
}

/** How many maps of a block lie in another one's tensor. */
function fusedAway(fused: Record<string, string>): number {
  return Object.keys(fused).length - new Set(Object.values(fused)).size;
}

/** The traits that a family reads from a config.json of four layers. */
function traitsOf(name: string, fields: Record<string, unknown>): unknown {
  const family = families.find((own) => own.name === name);
  assert(family);
  const { traits } = family.fromConfigJson({ ...small, num_hidden_layers: 4, ...fields }, "x");
  return traits;
}

Deno.test("fromConfigJson() of Qwen has no window unless it is told to use one", () => {
  const fields = { sliding_window: 8, max_window_layers: 2 };
  assert.deepEqual(traitsOf("qwen2", fields), { qkvBias: true });
  assert.deepEqual(traitsOf("qwen2", { ...fields, use_sliding_window: true }), {
    qkvBias: true,
    local: { window: 8, layers: [2, 3], ropeTheta: null },
  });
  const types = ["sliding_attention", "full_attention", "full_attention", "sliding_attention"];
  assert.deepEqual(traitsOf("qwen3", { ...fields, use_sliding_window: true, layer_types: types }), {
    qkNorm: "head",
    local: { window: 8, layers: [0, 3], ropeTheta: null },
  });
});

Deno.test("fromConfigJson() of Mistral has transformers' window unless it is null", () => {
  const local = { window: 4096, layers: [0, 1, 2, 3], ropeTheta: null };
  assert.deepEqual(traitsOf("mistral", {}), { local });
  assert.equal(traitsOf("mistral", { sliding_window: null }), undefined);
});

Deno.test("fromConfigJson() of Gemma reads caps, scales and windows", () => {
  const common = { norms: "sandwich", normOffset: 1, activation: "gelu_tanh", embeddingScale: 4 };
  assert.deepEqual(
    traitsOf("gemma2", { query_pre_attn_scalar: 144, attn_logit_softcapping: null }),
    {
      ...common,
      scoreCap: null,
      logitCap: 30,
      queryScalar: 144,
      local: { window: 4096, layers: [0, 2], ropeTheta: null },
    },
  );
  const local = { window: 512, layers: [0, 1, 3], ropeTheta: 500 };
  const fields = { sliding_window: 512, sliding_window_pattern: 3, rope_local_base_freq: 500 };
  assert.deepEqual(traitsOf("gemma3", fields), {
    ...common,
    qkNorm: "head",
    scoreCap: null,
    logitCap: null,
    queryScalar: 256,
    local,
  });
});

Deno.test("fromConfigJson() of Phi-3 takes the code that transformers has by now, and no other", () => {
  const phi3 = families.find(({ name }) => name === "phi3");
  const read = (model: string) =>
    phi3?.fromConfigJson({ ...small, auto_map: { AutoModelForCausalLM: model } }, "config.json");
  assert.equal(read("modeling_phi3.Phi3ForCausalLM")?.family, "phi3");
  assert.throws(() => read("modeling_other.Phi3ForCausalLM"), /code of its own, got auto_map/);
});

Deno.test("fromConfigJson() of Phi-3 reaches as far as LongRoPE's short factors", () => {
  const phi3 = families.find(({ name }) => name === "phi3");
  const rope_scaling = { type: "su", short_factor: [1, 1, 2, 2], long_factor: [1, 2, 3, 4] };
  const config = phi3?.fromConfigJson({
    ...small,
    max_position_embeddings: 131072,
    original_max_position_embeddings: 4096,
    rope_scaling,
  }, "config.json");
  assert.equal(config?.maxPositions, 4096);
  assert.deepEqual(config?.ropeScaling, {
    type: "longrope",
    shortFactors: [1, 1, 2, 2],
    longFactors: [1, 2, 3, 4],
    originalMaxPositions: 4096,
    stretchedPositions: 131072,
    // sqrt(1 + log 32 / log 4096) = sqrt(1 + 5/12)
    attentionFactor: Math.sqrt(17 / 12),
  });
  const short = { ...rope_scaling, short_factor: [1, 1] };
  assert.throws(
    () => phi3?.fromConfigJson({ ...small, rope_scaling: short }, "config.json"),
    /expected 4 rotary factors, got 2/,
  );
});
