// The decoder with its past keys and values, its adapter and the preference of every row as inputs:
// one ONNX graph for prompts (one sequence, many tokens) and for steps (many sequences, a token
// each). core/generate/session.ts runs it on ONNX Runtime. Attention takes the past as it lies in the
// cache and gives back only the new keys and values: nothing of the cache is ever copied.
//
// A step's rows lie on the axis B, not on T, and adapter and attention multiply by stacks of matrices:
// every row's product is one of a single row. ONNX Runtime reads the other matrix of such a product
// where it lies, where it would first copy it for more rows; and no row's sums depend on what other
// rows there are.
import type { DecoderConfig } from "../models/config.ts";
import type { WeightFormat } from "./decoder.ts";
import { GraphBuilder } from "./onnx.ts";
import { blockProduct, headProduct, type Product, type ProductName } from "./products.ts";
import { type Bits, BLOCK, codeColumns, hasOffsets } from "./quantize.ts";
import { embeddingIsHead, formatBits, type WeightFile } from "./weight_file.ts";

/** Names of the graph's inputs and outputs; B sequences of T tokens, G = H / K. */
export const graphNames = {
  ids: "ids", // (B, T) int32
  positions: "positions", // (B, T) int64
  mask: "mask", // (B, 1, 1, T, P + T): added to scores of past and new tokens
  scoreParts: "score_parts", // (2) int64: P, T
  outputRows: "output_rows", // (O) int32: rows of B·T whose logits are wanted
  rowFactors: "row_factors", // (B, 1, R): what the adapter scales its columns by
  past: (layer: number) => ({ keys: `past_keys_${layer}`, values: `past_values_${layer}` }), // (B, K, 1, P, headDim)
  /** The adapter's factors of a product of n maps: Vᵀ (n·R, 1, in) and U (n·R, 1, out). */
  factors: (product: string) => ({ V: `${product}.V`, U: `${product}.U` }),
  logits: "logits", // (O, 1, V)
  present: "present", // (B, layers·2·K, 1, T, headDim): new keys and values of every block in turn
} as const;

/** The graph of `config` as an ONNX model whose constants lie in `file` beside it. */
export function decoderGraph(
  config: DecoderConfig,
  { format, weights, file }: {
    format: WeightFormat;
    weights: WeightFile;
    /** Name of the weight file, relative to the model's folder. */
    file: string;
  },
): Uint8Array {
  const graph = new GraphBuilder();
  const constant = (name: string) => {
    const tensor = weights.tensors.get(name);
    if (tensor === undefined) throw new RangeError(`Cannot write the graph: no constant ${name}`);
    return graph.external(tensor, file);
  };
  const { heads, kvHeads, headDim, vocabSize, normEpsilon } = config;
  const ids = graph.input(graphNames.ids, "int32", ["B", "T"]);
  const positions = graph.input(graphNames.positions, "int64", ["B", "T"]);
  const scoreParts = graph.input(graphNames.scoreParts, "int64", [2]);
  const mask = graph.input(graphNames.mask, "float32", ["B", 1, 1, "T", "L"]);
  const outputRows = graph.input(graphNames.outputRows, "int32", ["O"]);
  const rowFactors = [graph.input(graphNames.rowFactors, "float32", ["B", 1, "R"])];
  for (const n of [2, 3]) {
    const copies = Array.from({ length: n }, () => rowFactors[0] ?? "");
    rowFactors.push(graph.node("Concat", copies, { attributes: { axis: 2 } })); // (B, 1, n·R)
  }

  const bits = formatBits[format];

  /** x (…, in) → x·Wᵀ (…, out) */
  function frozenProduct(
    x: string,
    { name, in: width, out }: Product,
    { productBits, result }: { productBits: Bits | undefined; result?: string },
  ): string {
    const outputs = result === undefined ? undefined : [result];
    if (productBits === undefined) {
      return multiply(x, constant(`${name}.weight`), { transB: 1, outputs });
    }
    const shape = { in: width, bits: productBits };
    let columns = x;
    if (hasOffsets(shape)) {
      const blocks = { kernel_shape: [BLOCK], strides: [BLOCK] };
      const means = graph.node("AveragePool", [x], { attributes: blocks }); // (B, T, in/32)
      columns = graph.node("Concat", [x, means], { attributes: { axis: 2 } });
    }
    const parts = ["codes", "scales", "zeros"].map((part) => constant(`${name}.${part}`));
    return graph.node("MatMulNBits", [columns, ...parts], {
      outputs,
      domain: "com.microsoft",
      attributes: {
        K: codeColumns(shape),
        N: out,
        bits: productBits,
        block_size: BLOCK,
        accuracy_level: ROUNDED_ACTIVATIONS,
      },
    });
  }

  /** x·Wᵀ of a block's product and the adapter's increment. */
  function project(x: string, layer: number, productName: ProductName): string {
    const product = blockProduct(config, layer, productName);
    const names = graphNames.factors(product.name);
    const n = product.maps.length;
    const V = graph.input(names.V, "float32", [`${n}R`, 1, product.in]);
    const U = graph.input(names.U, "float32", [`${n}R`, 1, product.out]);
    const low = multiply(x, V, { transB: 1, transBatchB: 1 }); // (B, T, n·R)
    const scaled = graph.node("Mul", [low, rowFactors[n - 1] ?? ""]);
    const increment = multiply(scaled, U, { transBatchB: 1 });
    const base = frozenProduct(x, product, { productBits: bits?.blocks });
    return graph.node("Add", [base, increment]); // (B, T, out)
  }

  /**
   * A stack of products over the last two axes. `transBatchB`: the second lies as (rows, stack,
   * columns); a stack of one then serves every matrix of the first without their being made one.
   */
  function multiply(
    a: string,
    b: string,
    { outputs, ...attributes }: { transB?: 1; transBatchB?: 1; outputs?: string[] } = {},
  ): string {
    return graph.node("FusedMatMul", [a, b], { outputs, attributes, domain: "com.microsoft" });
  }

  function split(x: string, sizes: number[], axis: number): string[] {
    const outputs = sizes.map((_, i) => `${x}.${i}`);
    graph.node("Split", [x, graph.integers(sizes)], { outputs, attributes: { axis } });
    return outputs;
  }

  const present: string[] = [];

  /** qkv (B, T, (H + 2K)·headDim) → (B, T, H·headDim) */
  function attention(qkv: string, layer: number): string {
    const dims = ["B", kvHeads, 1, "P", headDim];
    const names = graphNames.past(layer);
    const pastKeys = graph.input(names.keys, "float32", dims);
    const pastValues = graph.input(names.values, "float32", dims);
    const tokens = [0, 0, heads + 2 * kvHeads, headDim];
    const perToken = graph.node("Reshape", [qkv, graph.integers(tokens)]);
    const perHead = graph.node("Transpose", [perToken], { attributes: { perm: [0, 2, 1, 3] } });
    const [unturned = "", plain = ""] = split(perHead, [heads + kvHeads, kvHeads], 1);
    const turned = graph.node(
      "RotaryEmbedding",
      [unturned, positions, constant("cos"), constant("sin")],
      { domain: "com.microsoft" },
    ); // (B, H + K, T, headDim), queries and keys scaled: see weight_file.ts
    const [queryHeads = "", keyHeads = ""] = split(turned, [heads, kvHeads], 1);
    /** (B, K·copies, T, headDim) → (B, K, copies, T, headDim) */
    const grouped = (x: string, copies: number) =>
      graph.node("Reshape", [x, graph.integers([0, kvHeads, copies, -1, headDim])]);
    const queries = grouped(queryHeads, heads / kvHeads);
    const keys = grouped(keyHeads, 1);
    const values = grouped(plain, 1);
    present.push(keys, values);
    const scores = graph.node("Concat", [
      multiply(queries, pastKeys, { transB: 1 }), // (B, K, G, T, P)
      multiply(queries, keys, { transB: 1 }), // (B, K, G, T, T)
    ], { attributes: { axis: 4 } });
    const weights = graph.node("Softmax", [graph.node("Add", [scores, mask])], {
      attributes: { axis: 4 },
    });
    const parts = [`weights_${layer}.past`, `weights_${layer}.new`];
    graph.node("Split", [weights, scoreParts], { outputs: parts, attributes: { axis: 4 } });
    const [pastWeights = "", newWeights = ""] = parts;
    const mixed = graph.node("Add", [
      multiply(pastWeights, pastValues),
      multiply(newWeights, values),
    ]); // (B, K, G, T, headDim)
    const byToken = graph.node("Transpose", [mixed], { attributes: { perm: [0, 3, 1, 2, 4] } });
    return graph.node("Reshape", [byToken, graph.integers([0, 0, heads * headDim])]);
  }

  /** residual + increment, and its norm. */
  function addAndNorm(residual: string, increment: string, norm: string): [string, string] {
    const sum = `${norm}.sum`;
    const normed = graph.node(
      "SkipSimplifiedLayerNormalization",
      [increment, residual, constant(`${norm}.weight`)],
      { outputs: [`${norm}.out`, "", "", sum], domain: "com.microsoft", attributes: epsilon },
    );
    return [sum, normed];
  }

  function embed(): string {
    if (!embeddingIsHead(config, format)) {
      return graph.node("Gather", [constant("embedding.weight"), ids]);
    }
    if (bits === null) return graph.node("Gather", [constant("head.weight"), ids]);
    // The head's codes once more, as the rows that this operator wants.
    const codes = weights.tensors.get("head.codes");
    if (codes === undefined) throw new RangeError("Cannot write the graph: no constant head.codes");
    const table = { ...codes, name: "embedding.codes", dims: [vocabSize, config.width] };
    return graph.node("GatherBlockQuantized", [
      graph.external(table, file),
      ids,
      constant("head.scales"),
      constant("head.zeros"),
    ], {
      domain: "com.microsoft",
      attributes: { bits: bits.head, block_size: BLOCK, gather_axis: 0, quantize_axis: 1 },
    });
  }

  const epsilon = { epsilon: { float: normEpsilon } };

  let residual = embed(); // (B, T, D)
  let normed = graph.node("SimplifiedLayerNormalization", [
    residual,
    constant("model.layers.0.input_layernorm.weight"),
  ], { attributes: { axis: -1, ...epsilon } });
  for (let layer = 0; layer < config.layers; layer++) {
    const mixed = attention(project(normed, layer, "qkv"), layer); // (B, T, H·headDim)
    const attended = project(mixed, layer, "mixed"); // (B, T, D)
    const norm = `model.layers.${layer}.post_attention_layernorm`;
    [residual, normed] = addAndNorm(residual, attended, norm);
    const gated = project(normed, layer, "gated"); // (B, T, 2·mlp)
    const [gate = "", up = ""] = split(gated, [config.mlpWidth, config.mlpWidth], 2);
    const silu = graph.node("QuickGelu", [gate], {
      domain: "com.microsoft",
      attributes: { alpha: { float: 1 } }, // x·sigmoid(x)
    });
    const next = project(graph.node("Mul", [silu, up]), layer, "down"); // (B, T, D)
    const last = layer === config.layers - 1;
    [residual, normed] = addAndNorm(
      residual,
      next,
      last ? "model.norm" : `model.layers.${layer + 1}.input_layernorm`,
    );
  }
  graph.node("Concat", present, {
    outputs: [
      graph.output(graphNames.present, "float32", [
        "B",
        present.length * kvHeads,
        1,
        "T",
        headDim,
      ]),
    ],
    attributes: { axis: 1 },
  });
  const all = graph.node("Reshape", [normed, graph.integers([-1, 1, config.width])]);
  const rows = graph.node("Gather", [all, outputRows]); // (O, 1, D)
  const result = graph.output(graphNames.logits, "float32", ["O", 1, vocabSize]);
  frozenProduct(rows, headProduct(config), { productBits: bits?.head, result });
  return graph.encode("decoder");
}

/**
 * MatMulNBits' way of computing: inputs of a product are rounded to 8 bits in blocks of 32 and
 * multiplied as whole numbers. Three to thirty times faster than with exact inputs, at the price of
 * half of the logits' error that int8 has, and of all but little of what int4 has on GGUF weights.
 */
const ROUNDED_ACTIVATIONS = 4;
