// Rewarded Soups: one adapter per dimension, interpolated by the preference. A baseline of the paper.
// Source: Ramé et al. 2023, eq. 1; Zhong et al. 2024, section 5. Their soups average whole weights,
// which is the same here: W₀ + Σ λ_i ΔW_i = Σ λ_i (W₀ + ΔW_i) for weights λ that sum to 1.
import { InputError } from "../errors.ts";
import type { Adapter } from "./adapter.ts";
import { compositeAdapter, type CompositeOptions } from "./composite.ts";
import { plainSvdLora } from "./plain_svd_lora.ts";

/**
 * ΔW(λ) = Σ_i λ_i ΔW_i, where ΔW_i is the increment of the member trained for dimension i alone.
 * Throws InputError unless `members` are the corners of the simplex in the order of the dimensions.
 */
export function rewardedSoups({ members, ...options }: CompositeOptions): Adapter {
  const { objectives } = options;
  const corners = members.length === objectives &&
    members.every((own, i) =>
      own.length === objectives && own.every((weight, j) => weight === Number(i === j))
    );
  if (!corners) {
    throw new InputError(
      `Cannot use rewarded_soups: expected one member for each of ${objectives} dimensions alone, ` +
        `got members for [${members.map((own) => own.join(", ")).join("], [")}]`,
    );
  }
  return compositeAdapter(plainSvdLora(options), members.length, {
    ofRows: (preference) => preference,
    of: (preference) => [...preference],
    affine: true,
  });
}
