import assert from "node:assert/strict";
import onnxProto from "onnx-proto";
import type { onnx as types } from "onnx-proto";
import type { WeightFormat } from "../../../core/generate/decoder.ts";
import { adapterAsInputs } from "../../../core/generate/graph_adapter.ts";
import { graphNames } from "../../../core/generate/graph_names.ts";
import { decoderGraph } from "../../../core/generate/graph.ts";
import { GraphBuilder } from "../../../core/generate/onnx.ts";
import { blockProduct, headProduct } from "../../../core/generate/products.ts";
import { weightFile } from "../../../core/generate/weight_file.ts";
import type { DecoderConfig } from "../../../core/models/config.ts";
import type { Traits } from "../../../core/models/traits.ts";

const { onnx } = onnxProto as unknown as { onnx: typeof types };

const config: DecoderConfig = {
  family: "llama",
  vocabSize: 100,
  width: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  mlpWidth: 96,
  normEpsilon: 1e-5,
  tiedHead: true,
  maxPositions: 128,
  ropeTheta: 10000,
  ropeScaling: null,
  bosTokenId: null,
  eosTokenIds: [],
};

/** Everything that other families have and Llama lacks. */
const traits: Partial<Traits> = {
  qkvBias: true,
  qkNorm: "head",
  norms: "sandwich",
  normOffset: 1,
  activation: "gelu_tanh",
  scoreCap: 50,
  logitCap: 30,
  embeddingScale: 8,
  queryScalar: 20,
  local: { window: 5, layers: [0], ropeTheta: 100 },
};

function graphOf(config: DecoderConfig, format: WeightFormat): types.IGraphProto {
  const weights = weightFile(config, format);
  const model = onnx.ModelProto.decode(
    decoderGraph(config, { format, weights, file: "w.bin", adapter: adapterAsInputs }),
  );
  assert(model.graph);
  return model.graph;
}

function dimsOf({ type }: types.IValueInfoProto): (string | number)[] {
  return (type?.tensorType?.shape?.dim ?? []).map(({ dimParam, dimValue }) =>
    dimParam ? dimParam : Number(dimValue)
  );
}

for (const format of ["float32", "int8", "int4"] as const) {
  Deno.test(`decoderGraph() names its inputs and outputs as documented, ${format}`, () => {
    const graph = graphOf(config, format);
    const inputs = new Map(graph.input?.map((input) => [input.name ?? "", dimsOf(input)]));
    assert.deepEqual(inputs.get(graphNames.ids), ["B", "T"]);
    assert.deepEqual(inputs.get(graphNames.rowFactors), ["B", 1, "R"]);
    assert.deepEqual(inputs.get(graphNames.past(1).values), ["B", 2, 1, "P", 16]);
    const { V, U } = graphNames.factors("model.layers.1.qkv");
    assert.deepEqual(inputs.get(V), ["3R", 1, 64]);
    assert.deepEqual(inputs.get(U), ["3R", 1, 128]); // (4 + 2 + 2)·16
    assert.equal(inputs.size, 6 + 2 * (2 + 2 * 4)); // and for each block past and factors
    const outputs = graph.output?.map((output) => [output.name, dimsOf(output)]);
    assert.deepEqual(outputs, [
      [graphNames.present, ["B", 2 * 2 * 2, 1, "T", 16]],
      [graphNames.logits, ["O", 1, 100]],
    ]);
  });

  Deno.test(`decoderGraph() takes its constants from where the weight file has them, ${format}`, () => {
    const tied = [{ tiedHead: true }, { tiedHead: false }];
    for (const changes of [...tied, { traits }]) {
      const { tiedHead } = { ...config, ...changes };
      const weights = weightFile({ ...config, ...changes }, format);
      const graph = graphOf({ ...config, ...changes }, format);
      const external = graph.initializer?.filter(({ dataLocation }) => dataLocation === 1) ?? [];
      const places = new Map(
        external.map(({ name, externalData }) => [
          name,
          Object.fromEntries(externalData?.map(({ key, value }) => [key, value]) ?? []),
        ]),
      );
      for (const { name, offset, bytes } of weights.tensors.values()) {
        const expected = { location: "w.bin", offset: `${offset}`, length: `${bytes}` };
        assert.deepEqual(places.get(name), expected, name);
        places.delete(name);
      }
      // the embedding's second view of the head's codes
      const views = tiedHead && format !== "float32" ? ["embedding.codes"] : [];
      assert.deepEqual([...places.keys()], views);
    }
  });
}

Deno.test("decoderGraph() has a mask for each kind of layer", () => {
  const mask = ["B", 1, 1, "T", "L"];
  for (const [layers, names] of [[[0], ["mask", "mask_1"]], [[0, 1], ["mask"]]] as const) {
    const local = { window: 5, layers: [...layers], ropeTheta: null };
    const { input } = graphOf({ ...config, traits: { local } }, "float32");
    const masks = (input ?? []).filter(({ name }) => name?.startsWith("mask"));
    assert.deepEqual(masks.map(({ name }) => name), names);
    masks.forEach((found) => assert.deepEqual(dimsOf(found), mask));
  }
});

Deno.test("weightFile() places tensors at whole pages, one after the other", () => {
  for (const format of ["float32", "int8", "int4"] as const) {
    const { entries, bytes } = weightFile(config, format);
    let end = 0;
    for (const tensor of entries.flatMap(({ tensors }) => tensors)) {
      assert.equal(tensor.offset % 4096, 0);
      assert(tensor.offset >= end && tensor.offset < end + 4096);
      end = tensor.offset + tensor.bytes;
    }
    assert.equal(bytes, end);
  }
});

Deno.test("blockProduct() puts maps of one input beside each other", () => {
  const { in: width, out, maps } = blockProduct(config, 1, "qkv");
  assert.deepEqual({ width, out }, { width: 64, out: 128 });
  assert.deepEqual(maps.map(({ start, out }) => [start, out]), [[0, 64], [64, 32], [96, 32]]);
  assert.equal(maps[1]?.weight, "model.layers.1.self_attn.k_proj.weight");
  assert.equal(headProduct(config).maps[0]?.weight, "model.embed_tokens.weight");
  assert.equal(headProduct({ ...config, tiedHead: false }).maps[0]?.weight, "lm_head.weight");
});

Deno.test("GraphBuilder writes attributes by their types and leaves gaps for what is left out", () => {
  const graph = new GraphBuilder();
  graph.input("x", "float32", ["N", 3]);
  const split = graph.node("Op", ["x", "", graph.integers([2, -1])], {
    outputs: ["", graph.output("y", "int32", [1])],
    attributes: { axis: 1, perm: [0, 1], alpha: { float: 0.5 }, mode: "linear" },
    domain: "com.microsoft",
  });
  assert.equal(split, "y");
  const { graph: written } = onnx.ModelProto.decode(graph.encode("name"));
  const [node] = written?.node ?? [];
  assert.deepEqual(node?.input, ["x", "", "integers_2_-1"]);
  assert.deepEqual(node?.output, ["", "y"]);
  const attributes = node?.attribute?.map(({ name, i, ints, f, s }) => [
    name,
    Number(i),
    ints?.map(Number),
    f,
    new TextDecoder().decode(s ?? new Uint8Array()),
  ]);
  assert.deepEqual(attributes, [
    ["axis", 1, [], 0, ""],
    ["perm", 0, [0, 1], 0, ""],
    ["alpha", 0, [], 0.5, ""],
    ["mode", 0, [], 0, "linear"],
  ]);
  const { rawData, dims } = written?.initializer?.[0] ?? {};
  assert.deepEqual(dims?.map(Number), [2]);
  const raw = Uint8Array.from(rawData ?? []);
  assert.deepEqual([...new BigInt64Array(raw.buffer)], [2n, -1n]);
});
