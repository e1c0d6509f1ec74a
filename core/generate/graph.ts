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
import {
  attentionKinds,
  kindOfLayer,
  normPlaces,
  type Traits,
  traitsOf,
} from "../models/traits.ts";
import type { WeightFormat } from "./decoder.ts";
import type { GraphAdapter } from "./graph_adapter.ts";
import { graphNames } from "./graph_names.ts";
import { type Attributes, GraphBuilder } from "./onnx.ts";
import { blockProduct, hasBias, headProduct, type Product, type ProductName } from "./products.ts";
import { type Bits, BLOCK, codeColumns, hasOffsets } from "./quantize.ts";
import { embeddingIsHead, formatBits, ropeNames, type WeightFile } from "./weight_file.ts";

/** The graph of `config` as an ONNX model whose constants lie in `file` beside it. */
export function decoderGraph(
  config: DecoderConfig,
  { format, weights, file, adapter }: {
    format: WeightFormat;
    weights: WeightFile;
    /** Name of the weight file, relative to the model's folder. */
    file: string;
    adapter: GraphAdapter;
  },
): Uint8Array {
  const graph = new GraphBuilder();
  const constant = (name: string) => {
    const tensor = weights.tensors.get(name);
    if (tensor === undefined) throw new RangeError(`Cannot write the graph: no constant ${name}`);
    return graph.external(tensor, file);
  };
  const values = { graph, constant };
  const { heads, kvHeads, headDim, vocabSize, normEpsilon } = config;
  const { norms, qkNorm, activation, scoreCap, logitCap, embeddingScale } = traitsOf(config);
  const kinds = attentionKinds(config);
  const ids = graph.input(graphNames.ids, "int32", ["B", "T"]);
  const positions = graph.input(graphNames.positions, "int64", ["B", "T"]);
  const scoreParts = graph.input(graphNames.scoreParts, "int64", [2]);
  const masks = kinds.map((_, kind) =>
    graph.input(graphNames.mask(kind), "float32", ["B", 1, 1, "T", "L"])
  );
  const outputRows = graph.input(graphNames.outputRows, "int32", ["O"]);
  const rowFactors = [adapter.rowFactors(values)];
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

  /** x·Wᵀ of a block's product, the adapter's increment and the biases. */
  function project(x: string, layer: number, productName: ProductName): string {
    const product = blockProduct(config, layer, productName);
    const n = product.maps.length;
    const { V, U } = adapter.factors(values, product);
    const low = multiply(x, V, { transB: 1, transBatchB: 1 }); // (B, T, n·R)
    const scaled = graph.node("Mul", [low, rowFactors[n - 1] ?? ""]);
    const increment = multiply(scaled, U, { transBatchB: 1 });
    const base = frozenProduct(x, product, { productBits: bits?.blocks });
    const sum = graph.node("Add", [base, increment]); // (B, T, out)
    return hasBias(product) ? graph.node("Add", [sum, constant(`${product.name}.bias`)]) : sum;
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

  /** cap·tanh(x / cap), or x where there is no cap. */
  function capped(x: string, cap: number | null, result?: string): string {
    if (cap === null) return x;
    const bounded = graph.node("Tanh", [graph.node("Div", [x, graph.scalar(cap)])]);
    const outputs = result === undefined ? undefined : [result];
    return graph.node("Mul", [bounded, graph.scalar(cap)], { outputs });
  }

  function normed(x: string, name: string): string {
    return graph.node("SimplifiedLayerNormalization", [x, constant(`${name}.weight`)], {
      attributes: { axis: -1, ...epsilon },
    });
  }

  /** Queries and keys normed over the last axis; values beside them, on axis 2, of `sizes`. */
  function normQueriesAndKeys(x: string, layer: number, sizes: [number, number]): string {
    const [queries, keys] = sizes;
    const [q = "", k = "", v = ""] = split(x, [queries, keys, keys], 2);
    const prefix = `model.layers.${layer}.self_attn`;
    const parts = [normed(q, `${prefix}.q_norm`), normed(k, `${prefix}.k_norm`), v];
    return graph.node("Concat", parts, { attributes: { axis: 2 } });
  }

  const present: string[] = [];

  /** qkv (B, T, (H + 2K)·headDim) → (B, T, H·headDim) */
  function attention(qkv: string, layer: number): string {
    const dims = ["B", kvHeads, 1, "P", headDim];
    const names = graphNames.past(layer);
    const pastKeys = graph.input(names.keys, "float32", dims);
    const pastValues = graph.input(names.values, "float32", dims);
    const kind = kindOfLayer(config, layer);
    const { cos, sin } = ropeNames(kinds[kind]?.rope ?? 0);
    const tokens = [0, 0, heads + 2 * kvHeads, headDim];
    const qkvNormed = qkNorm === "width"
      ? normQueriesAndKeys(qkv, layer, [heads * headDim, kvHeads * headDim])
      : qkv;
    const byHead = graph.node("Reshape", [qkvNormed, graph.integers(tokens)]);
    const perToken = qkNorm === "head"
      ? normQueriesAndKeys(byHead, layer, [heads, kvHeads])
      : byHead;
    const perHead = graph.node("Transpose", [perToken], { attributes: { perm: [0, 2, 1, 3] } });
    const [unturned = "", plain = ""] = split(perHead, [heads + kvHeads, kvHeads], 1);
    const turned = graph.node(
      "RotaryEmbedding",
      [unturned, positions, constant(cos), constant(sin)],
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
    const seen = graph.node("Add", [capped(scores, scoreCap), masks[kind] ?? ""]);
    const weights = graph.node("Softmax", [seen], {
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

  /** residual + increment, and its norm, or itself where there is none. */
  function addAndNorm(residual: string, increment: string, norm: string | null): [string, string] {
    if (norm === null) {
      const sum = graph.node("Add", [residual, increment]);
      return [sum, sum];
    }
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

  const { attention: ofAttention, mlp: ofMlp } = normPlaces[norms];
  /** Name of a norm of a block, null where the block has none there. */
  const normOf = (layer: number, norm: string | null) =>
    norm === null ? null : `model.layers.${layer}.${norm}`;
  const normedIfAny = (x: string, norm: string | null) => norm === null ? x : normed(x, norm);

  const embedded = embed(); // (B, T, D)
  let residual = embeddingScale === 1
    ? embedded
    : graph.node("Mul", [embedded, graph.scalar(embeddingScale)]);
  let x = normedIfAny(residual, normOf(0, ofAttention.before));
  for (let layer = 0; layer < config.layers; layer++) {
    const mixed = attention(project(x, layer, "qkv"), layer); // (B, T, H·headDim)
    const attended = normedIfAny(
      project(mixed, layer, "mixed"),
      normOf(layer, ofAttention.after),
    ); // (B, T, D)
    [residual, x] = addAndNorm(residual, attended, normOf(layer, ofMlp.before));
    const gated = project(x, layer, "gated"); // (B, T, 2·mlp)
    const [gate = "", up = ""] = split(gated, [config.mlpWidth, config.mlpWidth], 2);
    const { operator, attributes } = activations[activation];
    const active = graph.node(operator, [gate], { domain: "com.microsoft", attributes });
    const next = normedIfAny(
      project(graph.node("Mul", [active, up]), layer, "down"),
      normOf(layer, ofMlp.after),
    ); // (B, T, D)
    const last = layer === config.layers - 1;
    const following = last ? "model.norm" : normOf(layer + 1, ofAttention.before);
    [residual, x] = addAndNorm(residual, next, following);
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
  const all = graph.node("Reshape", [x, graph.integers([-1, 1, config.width])]);
  const rows = graph.node("Gather", [all, outputRows]); // (O, 1, D)
  const result = graph.output(graphNames.logits, "float32", ["O", 1, vocabSize]);
  const logits = frozenProduct(rows, headProduct(config), {
    productBits: bits?.head,
    result: logitCap === null ? result : undefined,
  });
  capped(logits, logitCap, result);
  return graph.encode("decoder");
}

/** ONNX Runtime's own operators of the gate. */
const activations: Record<Traits["activation"], { operator: string; attributes?: Attributes }> = {
  silu: { operator: "QuickGelu", attributes: { alpha: { float: 1 } } }, // x·sigmoid(x)
  gelu_tanh: { operator: "FastGelu" },
};

/**
 * MatMulNBits' way of computing: inputs of a product are rounded to 8 bits in blocks of 32 and
 * multiplied as whole numbers. Three to thirty times faster than with exact inputs, at the price of
 * half of the logits' error that int8 has, and of all but little of what int4 has on GGUF weights.
 */
const ROUNDED_ACTIVATIONS = 4;
