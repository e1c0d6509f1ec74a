// A model without a file: random weights of SmolLM2-135M's shape, which take as long as real ones.
import type { DecoderConfig } from "../../../core/models/config.ts";
import { familyOf } from "../../../core/models/families.ts";
import type { WeightSource } from "../../../core/models/weights.ts";
import type { Random } from "../../../core/random.ts";
import { smollm2 } from "../shape.ts";

const DEVIATION = 0.02; // of the weights: as the peers start theirs

/** Weights of SmolLM2's shape, or another, uniform with the deviation that the peers' normal ones have. */
export function randomWeights(random: Random, config: DecoderConfig = smollm2): WeightSource {
  const shapes = familyOf(config).weightShapes(config);
  const shape = (name: string) => {
    const found = shapes.get(name);
    if (found === undefined) throw new TypeError(`Cannot size ${name}: there is no such weight`);
    return found;
  };
  return {
    config,
    names: [...shapes.keys()],
    shape,
    read(name) {
      const dims = shape(name);
      const values = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
      const stream = random.fork(name);
      const width = DEVIATION * Math.sqrt(12);
      if (dims.length === 1) values.fill(1); // norms
      else for (let i = 0; i < values.length; i++) values[i] = width * (stream.uniform() - 0.5);
      return Promise.resolve(values);
    },
  };
}
