// An adapter as ordinary LoRAs. At a fixed λ the increment of every adapted map is
//   ΔW = V · diag(f(λ)) · U,  f(λ) (R) the row factors of core/adapters
// which is LoRA with A = Vᵀ and B = (diag(f(λ)) · U)ᵀ and no scale of its own (Hu et al. 2022, eq. 3).
// Where f is affine in λ it falls apart into f(λ) = c + Σ λ_i g_i, so that one LoRA of the columns
// that λ does not move and one for each dimension, scaled by λ_i, give every λ. Source of f: Zhong et
// al. 2024, eq. 5.
import type { Adapter } from "../adapters/adapter.ts";
import type { StoredParameters } from "../adapters/parameters.ts";
import { InputError } from "../errors.ts";

/** One linear map's part of a LoRA: y = x·W₀ + (x·Aᵀ)·Bᵀ, matrices row-major. */
export interface LoraMap {
  module: string; // "model.layers.0.self_attn.q_proj"
  in: number;
  out: number;
  A: Float32Array; // (r, in)
  B: Float32Array; // (out, r)
}

/** A LoRA with the same rank at every map; its scale is 1. */
export interface Lora {
  rank: number; // r
  maps: LoraMap[];
}

/** An adapter's kind and stored parameters, and the maps that it adapts. */
export interface AdaptedModules {
  adapter: Adapter;
  parameters: StoredParameters;
  modules: string[];
}

/** A LoRA that a scale multiplies: 1 for `dimension` null, λ of that dimension otherwise. */
export interface ScaledLora {
  dimension: number | null; // index
  lora: Lora;
}

/** The LoRA that an adapter is at `preference` (M). Columns that it switches off are left out. */
export function loraAt(adapted: AdaptedModules, preference: number[]): Lora {
  return loraOf(adapted, adapted.adapter.rowFactors(preference));
}

/**
 * LoRAs whose sum, each times its scale, is the adapter at every λ over M dimensions: what λ does not
 * move first, then one for each dimension; those that would be empty are left out. Throws InputError
 * for an adapter that is not affine in λ.
 */
export function splitLora(adapted: AdaptedModules, dimensions: number): ScaledLora[] {
  const corners = cornerFactors(adapted.adapter, dimensions);
  const isFixed = (r: number) => corners.every((own) => own[r] === corners[0]?.[r]);
  const only = (own: Float32Array | undefined, fixed: boolean) =>
    Float32Array.from(own ?? [], (value, r) => isFixed(r) === fixed ? value : 0);
  return [
    { dimension: null, lora: loraOf(adapted, only(corners[0], true)) },
    ...corners.map((own, dimension) => ({ dimension, lora: loraOf(adapted, only(own, false)) })),
  ].filter(({ lora }) => lora.rank > 0);
}

/**
 * What the corners e_i of the simplex over M dimensions scale an adapter's columns by: M times (R).
 * Every λ scales them by Σ λ_i times these. Throws InputError for an adapter that is not affine in λ.
 */
export function cornerFactors(adapter: Adapter, dimensions: number): Float32Array[] {
  if (!adapter.affine) {
    throw new InputError(
      "Cannot export the adapter for every λ: expected one that is affine in λ, got policies of which the " +
        "nearest to λ answers",
    );
  }
  return Array.from(
    { length: dimensions },
    (_, i) => adapter.rowFactors(Array.from({ length: dimensions }, (_, j) => Number(i === j))),
  );
}

/** The LoRA of the columns whose factor is not zero, their factors inside B. */
function loraOf({ adapter, parameters, modules }: AdaptedModules, factors: Float32Array): Lora {
  const { width } = adapter; // R
  const columns = Array.from(factors.keys()).filter((r) => factors[r] !== 0);
  const rank = columns.length;
  const maps = modules.map((module): LoraMap => {
    const own = adapter.parameterNames.map((name) => {
      const value = parameters.get(`${module}.${name}`);
      if (value !== undefined) return value;
      throw new InputError(`Cannot export the adapter: expected ${module}.${name}, got none`);
    });
    const { V, U } = adapter.factors(own); // (in, R), (R, out)
    const [inputs, out] = [V.length / width, U.length / width];
    const A = new Float32Array(rank * inputs);
    const B = new Float32Array(out * rank);
    columns.forEach((r, c) => {
      for (let i = 0; i < inputs; i++) A[c * inputs + i] = V[i * width + r] ?? NaN;
      const factor = factors[r] ?? NaN;
      for (let o = 0; o < out; o++) B[o * rank + c] = factor * (U[r * out + o] ?? NaN);
    });
    return { module, in: inputs, out, A, B };
  });
  return { rank, maps };
}
