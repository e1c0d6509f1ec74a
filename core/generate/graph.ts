// The decoder with its past keys and values, its adapter and the preference of every row as inputs:
// one ONNX graph for prompts (one sequence, many tokens) and for steps (many sequences, a token
// each). core/generate/session.ts runs it on ONNX Runtime. Rows of the batch and tokens of the prompt
// are one axis N, so that every product is one of matrices. Attention takes the past as it lies in
// the cache and gives back only the new keys and values: nothing of the cache is ever copied.
import type { DecoderConfig } from "../models/config.ts";
import type { WeightFormat } from "./decoder.ts";
import { GraphBuilder } from "./onnx.ts";
import { blockProduct, headProduct, type Product, type ProductName } from "./products.ts";
import { type Bits, BLOCK, codeColumns, hasOffsets } from "./quantize.ts";
import { blockSumsName, embeddingIsHead, formatBits, type WeightFile } from "./weight_file.ts";

/** Names of the graph's inputs and outputs; B sequences of T tokens, N = B·T, G = H / K. */
export const graphNames = {
  ids: "ids", // (N) int32
  positions: "positions", // (B, T) int64
  headShape: "head_shape", // (4) int64: B, T, H + 2K, headDim
  mask: "mask", // (B, 1, 1 or G·T, P + T): added to scores of past and new tokens
  scoreParts: "score_parts", // (2) int64: P, T
  outputRows: "output_rows", // (O) int32: rows of N whose logits are wanted
  rowFactors: "row_factors", // (R, N or 1): what the adapter scales its columns by
  past: (layer: number) => ({ keys: `past_keys_${layer}`, values: `past_values_${layer}` }), // (B, K, P, headDim)
  /** The adapter's factors of a product of n maps: (pieces, n·R, in/pieces) and (n·R, out). */
  factors: (product: string) => ({ V: `${product}.V`, U: `${product}.U` }),
  logits: "logits", // (O, V)
  present: "present", // (B, layers·2·K, T, headDim): new keys and values of every block in turn
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
  const ids = graph.input(graphNames.ids, "int32", ["N"]);
  const positions = graph.input(graphNames.positions, "int64", ["B", "T"]);
  const headShape = graph.input(graphNames.headShape, "int64", [4]);
  const scoreParts = graph.input(graphNames.scoreParts, "int64", [2]);
  const mask = graph.input(graphNames.mask, "float32", ["B", 1, "Q", "L"]);
  const outputRows = graph.input(graphNames.outputRows, "int32", ["O"]);
  const rowFactors = [graph.input(graphNames.rowFactors, "float32", ["R", "F"])];
  for (const n of [2, 3]) {
    const copies = Array.from({ length: n }, () => rowFactors[0] ?? "");
    rowFactors.push(graph.node("Concat", copies, { attributes: { axis: 0 } })); // (n·R, F)
  }

  const bits = formatBits[format];

  /** x (N, in) → x·Wᵀ (N, out) */
  function frozenProduct(
    x: string,
    { name, in: width, out }: Product,
    { productBits, result }: { productBits: Bits | undefined; result?: string },
  ): string {
    const outputs = result === undefined ? undefined : [result];
    if (productBits === undefined) {
      const inputs = [x, constant(`${name}.weight`)];
      return graph.node("Gemm", inputs, { outputs, attributes: { transB: 1 } });
    }
    const shape = { in: width, bits: productBits };
    const sums = hasOffsets(shape)
      ? [graph.node("MatMul", [x, constant(blockSumsName(width))])] // (N, in/32)
      : [];
    const inputs = [x, ...sums];
    const wide = sums.length > 0 ? graph.node("Concat", inputs, { attributes: { axis: 1 } }) : x;
    const parts = ["codes", "scales", "zeros"].map((part) => constant(`${name}.${part}`));
    return graph.node("MatMulNBits", [wide, ...parts], {
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
    const { V, U } = graphNames.factors(product.name);
    const n = product.maps.length;
    const rank = `${n}R`;
    const [pieces, width] = factorPieces(product.in);
    const cut = graph.node("Reshape", [x, graph.integers([-1, pieces, width])]);
    const partial = graph.node("FusedMatMul", [
      graph.input(V, "float32", [pieces, rank, width]),
      cut,
    ], { domain: "com.microsoft", attributes: { transB: 1, transBatchB: 1 } });
    const low = graph.node("ReduceSum", [partial, graph.integers([0])], {
      attributes: { keepdims: 0 },
    }); // (n·R, N)
    const scaled = graph.node("Mul", [low, rowFactors[n - 1] ?? ""]);
    const base = frozenProduct(x, product, { productBits: bits?.blocks });
    return graph.node("Gemm", [scaled, graph.input(U, "float32", [rank, product.out]), base], {
      attributes: { transA: 1 },
    }); // (N, out)
  }

  /** (a·bᵀ)·scale or a·b over the last two axes. */
  function multiply(a: string, b: string, transposed?: { scale: number }): string {
    if (transposed === undefined) return graph.node("MatMul", [a, b]);
    return graph.node("FusedMatMul", [a, b], {
      domain: "com.microsoft",
      attributes: { transB: 1, alpha: { float: transposed.scale } },
    });
  }

  function split(x: string, sizes: number[]): string[] {
    const outputs = sizes.map((_, i) => `${x}.${i}`);
    graph.node("Split", [x, graph.integers(sizes)], { outputs, attributes: { axis: 1 } });
    return outputs;
  }

  const swap = { attributes: { perm: [0, 2, 1, 3] } };
  const present: string[] = [];

  /** qkv (N, (H + 2K)·headDim) → (N, H·headDim) */
  function attention(qkv: string, layer: number): string {
    const dims = ["B", kvHeads, "P", headDim];
    const names = graphNames.past(layer);
    const pastKeys = graph.input(names.keys, "float32", dims);
    const pastValues = graph.input(names.values, "float32", dims);
    const perToken = graph.node("Reshape", [qkv, headShape]); // (B, T, H + 2K, headDim)
    const perHead = graph.node("Transpose", [perToken], swap); // (B, H + 2K, T, headDim)
    const [unturned = "", values = ""] = split(perHead, [heads + kvHeads, kvHeads]);
    const turned = graph.node(
      "RotaryEmbedding",
      [unturned, positions, constant("cos"), constant("sin")],
      { domain: "com.microsoft" },
    );
    const [queries = "", keys = ""] = split(turned, [heads, kvHeads]);
    present.push(keys, values); // (B, K, T, headDim)
    // Query heads that share a key head are rows of one product.
    const grouped = graph.node("Reshape", [queries, graph.integers([0, kvHeads, -1, headDim])]);
    const scale = headDim ** -0.5;
    const scores = graph.node("Concat", [
      multiply(grouped, pastKeys, { scale }), // (B, K, G·T, P)
      multiply(grouped, keys, { scale }), // (B, K, G·T, T)
    ], { attributes: { axis: 3 } });
    const weights = graph.node("Softmax", [graph.node("Add", [scores, mask])], {
      attributes: { axis: 3 },
    });
    const parts = [`weights_${layer}.past`, `weights_${layer}.new`];
    graph.node("Split", [weights, scoreParts], { outputs: parts, attributes: { axis: 3 } });
    const [pastWeights = "", newWeights = ""] = parts;
    const mixed = graph.node("Add", [
      multiply(pastWeights, pastValues),
      multiply(newWeights, values),
    ]); // (B, K, G·T, headDim)
    const byHead = graph.node("Reshape", [mixed, graph.integers([0, heads, -1, headDim])]);
    const byToken = graph.node("Transpose", [byHead], swap); // (B, T, H, headDim)
    return graph.node("Reshape", [byToken, graph.integers([-1, heads * headDim])]);
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

  let residual = embed(); // (N, D)
  let normed = graph.node("SimplifiedLayerNormalization", [
    residual,
    constant("model.layers.0.input_layernorm.weight"),
  ], { attributes: { axis: -1, ...epsilon } });
  for (let layer = 0; layer < config.layers; layer++) {
    const mixed = attention(project(normed, layer, "qkv"), layer); // (N, H·headDim)
    const attended = project(mixed, layer, "mixed"); // (N, D)
    const norm = `model.layers.${layer}.post_attention_layernorm`;
    [residual, normed] = addAndNorm(residual, attended, norm);
    const gated = project(normed, layer, "gated"); // (N, 2·mlp)
    const [gate = "", up = ""] = split(gated, [config.mlpWidth, config.mlpWidth]);
    const silu = graph.node("QuickGelu", [gate], {
      domain: "com.microsoft",
      attributes: { alpha: { float: 1 } }, // x·sigmoid(x)
    });
    const next = project(graph.node("Mul", [silu, up]), layer, "down"); // (N, D)
    const last = layer === config.layers - 1;
    [residual, normed] = addAndNorm(
      residual,
      next,
      last ? "model.norm" : `model.layers.${layer + 1}.input_layernorm`,
    );
  }
  graph.node("Concat", present, {
    outputs: [
      graph.output(graphNames.present, "float32", ["B", present.length * kvHeads, "T", headDim]),
    ],
    attributes: { axis: 1 },
  });
  const rows = graph.node("Gather", [normed, outputRows]); // (O, D)
  const result = graph.output(graphNames.logits, "float32", ["O", vocabSize]);
  frozenProduct(rows, headProduct(config), { productBits: bits?.head, result });
  return graph.encode("decoder");
}

/**
 * MatMulNBits' way of computing: inputs of a product are rounded to 8 bits in blocks of 32 and
 * multiplied as whole numbers. Three to thirty times faster than with exact inputs, at the price of
 * half of the logits' error that int8 has, and of all but little of what int4 has on GGUF weights.
 */
const ROUNDED_ACTIVATIONS = 4;

/**
 * Into how many equal pieces the adapter's first product cuts its input, and how wide they are.
 * ONNX Runtime sums over more inputs than 256 in blocks whose size depends on the number of rows (up to
 * 64) and of threads; shorter sums it takes in one go, so that no row's result depends on others.
 */
export function factorPieces(width: number): [number, number] {
  let pieces = 1;
  while (width % pieces !== 0 || width / pieces > 256) pieces += 1;
  return [pieces, width / pieces];
}
