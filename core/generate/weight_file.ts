// The file of constants beside the decoder's graph: which tensors lie where, and their bytes.
// workers/decoders.ts writes it into the cache, ONNX Runtime maps it, core/generate/graph.ts names
// what lies in it.
import type { DecoderConfig } from "../models/config.ts";
import { ropeTables } from "../models/rope.ts";
import { blockVectors, isNorm, ropesOf, traitsOf } from "../models/traits.ts";
import type { WeightSource } from "../models/weights.ts";
import type { WeightFormat } from "./decoder.ts";
import type { ElementType, ExternalTensor } from "./onnx.ts";
import { blockProduct, hasBias, headProduct, type Product, productNames } from "./products.ts";
import { type Bits, BLOCK, quantize, quantizedDims } from "./quantize.ts";

/** Tensors that are made together. */
export interface WeightEntry {
  tensors: ExternalTensor[];
  /** Their bytes, in the same order. */
  make(source: WeightSource): Promise<Uint8Array[]>;
}

/** Where every constant of the graph lies. */
export interface WeightFile {
  /** In order of their offsets. */
  entries: WeightEntry[];
  /** The tensors of all entries, by name. */
  tensors: ReadonlyMap<string, ExternalTensor>;
  bytes: number;
}

/**
 * Bits of a format's products. The head decides over 10⁴ tokens by small differences, and where it is
 * tied its codes are the embedding as well: it never has fewer than 8.
 */
export const formatBits: Record<WeightFormat, { blocks: Bits; head: Bits } | null> = {
  float32: null,
  int8: { blocks: 8, head: 8 },
  int4: { blocks: 4, head: 8 },
};

/** A constant that is no weight of the model, row-major. */
export interface Constant {
  name: string;
  dims: number[];
  values: Float32Array;
}

/** The file of a model in a format, and behind its weights what `constants` are. */
export function weightFile(
  config: DecoderConfig,
  format: WeightFormat,
  constants: Constant[] = [],
): WeightFile {
  const { headDim, maxPositions, vocabSize, width, layers } = config;
  const { normOffset, queryScalar } = traitsOf(config);
  const bits = formatBits[format];
  const file = new Layout();

  function addNorm(name: string, size: number): void {
    file.add([{ name, dims: [size] }], async (source) => {
      const values = await source.read(name);
      return [bytesOf(normOffset === 0 ? values : values.map((value) => value + normOffset))];
    });
  }

  function addBiases({ name, out, maps }: Product): void {
    file.add([{ name: `${name}.bias`, dims: [out] }], async (source) => {
      const values = new Float32Array(out);
      for (const { bias, start } of maps) {
        if (bias !== null) values.set(await source.read(bias), start);
      }
      return [bytesOf(values)];
    });
  }

  function addProduct(product: Product, productBits: Bits | undefined): void {
    const { name, in: width, out } = product;
    if (productBits === undefined) {
      file.add(
        [{ name: `${name}.weight`, dims: [out, width] }],
        async (source) => [bytesOf(await productWeights(product, source))],
      );
      return;
    }
    const shape = { in: width, out, bits: productBits };
    const dims = quantizedDims(shape);
    file.add([
      { name: `${name}.codes`, dims: dims.codes, type: "uint8" },
      { name: `${name}.scales`, dims: dims.scales },
      { name: `${name}.zeros`, dims: dims.zeros, type: "uint8" },
    ], async (source) => {
      const { codes, scales, zeros } = quantize(await productWeights(product, source), shape);
      return [codes, bytesOf(scales), zeros];
    });
  }

  ropesOf(config).forEach((rope, index) => {
    const { cos, sin } = ropeNames(index);
    const dims = [maxPositions, headDim / 2];
    file.add([{ name: cos, dims }, { name: sin, dims }], () => {
      const { cos, sin } = ropeTables(rope, maxPositions);
      // Queries and keys are both turned by these: their products come out scaled by headDim^-½.
      const scale = (queryScalar ?? headDim) ** -0.25;
      const bytes = [cos, sin].map((table) => halfRows(table.map((x) => scale * x), headDim));
      return Promise.resolve(bytes);
    });
  });
  for (let layer = 0; layer < layers; layer++) {
    for (const [vector, size] of blockVectors(config)) {
      if (isNorm(vector)) addNorm(`model.layers.${layer}.${vector}`, size);
    }
    for (const name of productNames) {
      const product = blockProduct(config, layer, name);
      addProduct(product, bits?.blocks);
      if (hasBias(product)) addBiases(product);
    }
  }
  addNorm("model.norm.weight", width);
  addProduct(headProduct(config), bits?.head);
  if (!embeddingIsHead(config, format)) {
    file.add([{ name: "embedding.weight", dims: [vocabSize, width] }], async (source) => [
      bytesOf(await source.read("model.embed_tokens.weight")),
    ]);
  }
  for (const { name, dims, values } of constants) {
    file.add([{ name, dims }], () => Promise.resolve([bytesOf(values)]));
  }
  return file;
}

/** The file's bytes, piece by piece; `onEntry` is told of each entry before it is made. */
export async function* weightFileBytes(
  { entries }: WeightFile,
  source: WeightSource,
  onEntry: (index: number) => void,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const [index, { tensors, make }] of entries.entries()) {
    onEntry(index);
    const parts = await make(source);
    for (const [i, { offset }] of tensors.entries()) {
      const bytes = parts[i] ?? new Uint8Array();
      yield new Uint8Array(offset - at);
      yield bytes;
      at = offset + bytes.length;
    }
  }
}

/** Names of the rotary tables of `ropesOf`. */
export function ropeNames(index: number): { cos: string; sin: string } {
  const suffix = index === 0 ? "" : `_${index}`;
  return { cos: `cos${suffix}`, sin: `sin${suffix}` };
}

/** Whether token embeddings are gathered from the head's own constant. */
export function embeddingIsHead(config: DecoderConfig, format: WeightFormat): boolean {
  return config.tiedHead && (format === "float32" || config.width % BLOCK === 0);
}

/** Tensors start at whole pages, which is how they are mapped. */
const ALIGNMENT = 4096;

class Layout implements WeightFile {
  readonly entries: WeightEntry[] = [];
  readonly tensors = new Map<string, ExternalTensor>();
  bytes = 0;

  add(
    tensors: { name: string; dims: number[]; type?: ElementType }[],
    make: WeightEntry["make"],
  ): void {
    const placed = tensors.map(({ name, dims, type = "float32" }): ExternalTensor => {
      const offset = Math.ceil(this.bytes / ALIGNMENT) * ALIGNMENT;
      const bytes = dims.reduce((product, dim) => product * dim, type === "uint8" ? 1 : 4);
      this.bytes = offset + bytes;
      return { name, type, dims, offset, bytes };
    });
    placed.forEach((tensor) => this.tensors.set(tensor.name, tensor));
    this.entries.push({ tensors: placed, make });
  }
}

/** The weights of a product (out, in), its maps below each other. */
async function productWeights(product: Product, source: WeightSource): Promise<Float32Array> {
  const rows = new Float32Array(product.out * product.in);
  for (const { weight, start } of product.maps) {
    rows.set(await source.read(weight), start * product.in);
  }
  return rows;
}

/** The first half of every row of a rotary table: the second repeats it. */
function halfRows(table: Float32Array, headDim: number): Uint8Array {
  const half = headDim / 2;
  const out = new Float32Array(table.length / 2);
  for (let t = 0; t * headDim < table.length; t++) {
    out.set(table.subarray(t * headDim, t * headDim + half), t * half);
  }
  return bytesOf(out);
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
