// An adapter's factors as the decoder's graph takes them: for every product of n maps one Vᵀ (n·R,
// in) and one block-diagonal U (n·R, out), zero where a map is not adapted. Made once when an adapter
// is loaded.
import { InputError } from "../errors.ts";
import type { ParameterValues } from "../adapters/adapter.ts";
import type { DecoderConfig } from "../models/config.ts";
import type { AdapterSource } from "./decoder.ts";
import { graphNames } from "./graph_names.ts";
import { blockProduct, type PlacedMap, type Product, productNames } from "./products.ts";

/** Values of a graph input, row-major. */
export interface GraphInput {
  name: string;
  dims: number[];
  values: Float32Array;
}

/** Columns R of an adapter in the graph, or of none: ONNX Runtime cannot multiply by a stack of 0. */
export function factorRank(source: AdapterSource | null): number {
  return source?.adapter.width ?? 1;
}

/**
 * Lays out an adapter, or none: factors of zeros. Throws InputError when its parameters do not fit
 * the model.
 */
export function adapterInputs(config: DecoderConfig, source: AdapterSource | null): GraphInput[] {
  const inputs: GraphInput[] = [];
  const known = new Set<string>();
  for (let layer = 0; layer < config.layers; layer++) {
    for (const name of productNames) {
      inputs.push(...productInputs(blockProduct(config, layer, name), source, known));
    }
  }
  const stray = [...source?.parameters.keys() ?? []].find((name) => !known.has(name));
  if (source === null || (stray === undefined && known.size > 0)) return inputs;
  throw misfit(source, `parameters of linear maps in ${config.layers} blocks`, stray ?? "none");
}

/** V and U of a product; names of the parameters they are made of are added to `known`. */
function productInputs(
  product: Product,
  source: AdapterSource | null,
  known: Set<string>,
): GraphInput[] {
  const width = factorRank(source); // R
  const rank = product.maps.length * width;
  const V = new Float32Array(product.in * rank);
  const U = new Float32Array(rank * product.out);
  product.maps.forEach((map, m) => {
    const factors = source && mapFactors(map, source, known);
    if (!factors) return;
    factors.V.forEach((value, at) => {
      const [i, r] = [Math.floor(at / width), at % width];
      V[(m * width + r) * product.in + i] = value;
    });
    for (let r = 0; r < width; r++) {
      const row = factors.U.subarray(r * map.out, (r + 1) * map.out);
      U.set(row, (m * width + r) * product.out + map.start);
    }
  });
  const names = graphNames.factors(product.name);
  return [
    { name: names.V, dims: [rank, 1, product.in], values: V },
    { name: names.U, dims: [rank, 1, product.out], values: U },
  ];
}

/** Factors of one map, null where it is not adapted. */
function mapFactors(
  map: PlacedMap,
  source: AdapterSource,
  known: Set<string>,
): { V: Float32Array; U: Float32Array } | null {
  const { adapter, parameters } = source;
  const names = adapter.parameterNames.map((name) => `${map.module}.${name}`);
  if (!names.some((name) => parameters.has(name))) return null;
  const values = names.map((name): ParameterValues => {
    const value = parameters.get(name);
    if (value === undefined) throw misfit(source, name, "none");
    known.add(name);
    return value;
  });
  const { V, U } = adapter.factors(values);
  if (V.length === map.in * adapter.width && U.length === adapter.width * map.out) {
    return { V, U };
  }
  const wanted = `factors of rank ${adapter.width} from ${map.in} to ${map.out} at ${map.module}`;
  throw misfit(source, wanted, `shapes ${values.map(({ shape }) => `[${shape}]`).join(", ")}`);
}

function misfit({ id }: AdapterSource, expected: string, found: string): InputError {
  return new InputError(`Cannot use adapter ${id}: expected ${expected}, got ${found}`);
}
