// The weights of a base model with an adapter merged in at a fixed λ, one at a time: what a model folder
// without adapter holds. W = W₀ + ΔW(λ), Zhong et al. 2024, eq. 5.
import type { Adapter } from "../adapters/adapter.ts";
import type { StoredParameters } from "../adapters/parameters.ts";
import { mapShape } from "../models/linear_maps.ts";
import type { WeightSource } from "../models/weights.ts";

/**
 * Reads weights by name as `base` does, (out, in) for linear maps; those of adapted maps are merged.
 * `parameters` are those of all adapted maps, `preference` (M).
 */
export function mergedWeights(
  base: WeightSource,
  { adapter, parameters, preference }: {
    adapter: Adapter;
    parameters: StoredParameters;
    preference: number[];
  },
): (name: string) => Promise<Float32Array> {
  return async (name) => {
    const weight = await base.read(name);
    const [, module, map] = /^(model\.layers\.\d+\.(.+))\.weight$/.exec(name) ?? [];
    const own = adapter.parameterNames.flatMap((parameter) =>
      parameters.get(`${module}.${parameter}`) ?? []
    );
    if (map === undefined || own.length === 0) return weight;
    const shape = mapShape(map, base.config);
    const increment = adapter.merge(own, preference); // (in, out)
    for (let o = 0; o < shape.out; o++) {
      for (let i = 0; i < shape.in; i++) {
        const at = o * shape.in + i;
        weight[at] = (weight[at] ?? NaN) + (increment[i * shape.out + o] ?? NaN);
      }
    }
    return weight;
  };
}
