// Weights from which a decoder is trained anew (core/pretrain.ts).
import type { Random } from "../random.ts";
import type { DecoderConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import { isNorm, traitsOf } from "./traits.ts";

/**
 * Weights to start training from, by name: norms such that they multiply by 1, biases 0,
 * everything else N(0, 0.02²), the two maps that write to the residual stream divided by √(2·layers)
 * (Radford et al. 2019, GPT-2, section 2.3).
 */
export function initialWeights(config: DecoderConfig, random: Random): Map<string, Float32Array> {
  const residual = 0.02 / Math.sqrt(2 * config.layers);
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of familyOf(config).weightShapes(config)) {
    const size = shape.reduce((product, dim) => product * dim, 1);
    const scale = /(o_proj|down_proj)\.weight$/.test(name) ? residual : 0.02;
    const constant = isNorm(name) ? 1 - traitsOf(config).normOffset : 0;
    const value = shape.length === 1 ? () => constant : () => scale * random.normal();
    weights.set(name, Float32Array.from({ length: size }, value));
  }
  return weights;
}
