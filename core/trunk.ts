// The blocks of a frozen decoder, with an adapter or without: token ids in, hidden states out, and
// the way back (block_stack.ts). What a policy (policy.ts), a critic and a reward model have in common;
// they differ in the head on top. The residuals of a block are its products with frozen weights, in the
// few bytes of the type that they are computed in, attention's weights, and the narrow products of its
// adapters: most of its operations.
import * as tf from "@tensorflow/tfjs-core";
import type { Adapter } from "./adapters/adapter.ts";
import type { BlockParameters } from "./adapters/parameters.ts";
import {
  type BlockBody,
  type BlockFunctions,
  blockFunctions,
  type BlockGradients,
  flatten,
  runStack,
  traceStack,
} from "./block_stack.ts";
import type { Engine } from "./engine/engine.ts";
import { noResiduals } from "./engine/residuals.ts";
import type { Pack } from "./text/pack.ts";
import { type AttentionContext, attentionContext, contextOfLayer } from "./models/attention.ts";
import { block, namedVectors, type Project } from "./models/decoder.ts";
import { blockMaps, mapsReadAgain } from "./models/linear_maps.ts";
import type { HeldDecoder } from "./models/held.ts";
import { blockVectors, traitsOf } from "./models/traits.ts";

/** Hidden states that can be taken back. Call backward or dispose exactly once. */
export interface HiddenTrace {
  /** After the last block, before the final norm (B·T, D); the trace's own. */
  readonly hidden: tf.Tensor2D;
  /**
   * Gradients by block of Σ slopes ⊙ hidden, for slopes (B·T, D), which stay the caller's. Caller
   * disposes the gradients.
   */
  backward(slopes: tf.Tensor2D): BlockGradients[];
  dispose(): void;
}

export interface Trunk {
  /** Hidden states after the last block (B·T, D). `preferences[i]` is of sequence i. Caller disposes. */
  hidden(pack: Pack, preferences: number[][]): tf.Tensor2D;
  /** The same, keeping what the gradient needs. */
  hiddenWithGradient(pack: Pack, preferences: number[][]): HiddenTrace;
}

/**
 * The parts of an adapted trunk; parameters are read at each call, so updates take effect. The first
 * blocks of parameters are those of the decoder's blocks; more, such as a head's, are not read.
 */
export interface AdaptedParts {
  adapter: Adapter;
  objectives: number; // M
  parameters: BlockParameters[];
}

/** The trunk of `decoder` with an adapter, or as it is where `adapted` is null. */
export function createTrunk(
  engine: Engine,
  decoder: HeldDecoder,
  adapted: AdaptedParts | null,
): Trunk {
  const { config } = decoder;
  const { embeddingScale } = traitsOf(config);
  const prepare = engine.compile(attentionContext(engine, config));
  const functions = new Map<string, BlockFunctions>();

  /** Compiled functions are shared by the blocks that adapt the same maps. */
  function functionsFor(maps: string[]): BlockFunctions {
    const key = maps.join(" ");
    let found = functions.get(key);
    if (found === undefined) {
      const body = blockBody(engine, decoder, { adapter: adapted?.adapter ?? null, maps });
      const trained = FIRST_VECTOR + blockVectors(config).size + blockMaps.length;
      const own = maps.length * (adapted?.adapter.parameterNames.length ?? 0);
      found = blockFunctions(engine, body, { count: trained + own, trained });
      functions.set(key, found);
    }
    return found;
  }

  function callOf(layer: number, { context, preference }: SharedArguments) {
    const weights = decoder.blocks[layer];
    if (weights === undefined) throw new RangeError(`Cannot run block ${layer}: there is none`);
    const { maps, tensors } = adapted?.parameters[layer] ?? { maps: [], tensors: [] };
    const own = [...weights.vectors, ...weights.maps, ...tensors];
    const args = [...contextOfLayer(config, context, layer), preference, ...own];
    return { functions: functionsFor(maps), args };
  }

  function sharedArguments(pack: Pack, preferences: number[][]): SharedArguments {
    return tf.tidy(() => {
      const shape: [number, number] = [pack.rows, pack.length];
      const context = prepare(
        tf.tensor(pack.positions, shape, "int32"),
        tf.tensor(pack.segments, shape, "int32"),
        tf.tensor(pack.branches, shape, "int32"),
      );
      // A trunk without adapter takes the same arguments and ignores the last.
      const rows = adapted === null ? [] : preferences;
      const preference = tokenPreferences(pack, rows, adapted?.objectives ?? 1);
      return { context, preference };
    });
  }

  function embed(pack: Pack): tf.Tensor3D {
    return tf.tidy(() => {
      const rows = engine.lookup(decoder.embedding, tf.tensor1d(pack.ids, "int32"));
      const scaled = embeddingScale === 1 ? rows : tf.mul(rows, embeddingScale);
      return tf.reshape(scaled, [pack.rows, pack.length, config.width]);
    });
  }

  return {
    hidden(pack, preferences) {
      const shared = sharedArguments(pack, preferences);
      const x = runStack(embed(pack), config.layers, (layer) => callOf(layer, shared));
      tf.dispose([...shared.context, shared.preference]);
      return flatten(x);
    },

    hiddenWithGradient(pack, preferences) {
      const shared = sharedArguments(pack, preferences);
      const stack = traceStack(engine, embed(pack), {
        layers: config.layers,
        callOf: (layer) => callOf(layer, shared),
      });
      const { shape } = stack.output;
      const hidden = flatten(stack.output);

      function dispose() {
        tf.dispose([...shared.context, shared.preference, hidden]);
        stack.dispose();
      }

      function backward(slopes: tf.Tensor2D): BlockGradients[] {
        const { dx, gradients } = stack.backward(tf.reshape(slopes, shape));
        dx.dispose();
        dispose();
        return gradients;
      }
      return { hidden, backward, dispose };
    },
  };
}

/** What the blocks of a pack take: what attention reads, and the preference of each token. */
type SharedArguments = { context: tf.Tensor[]; preference: tf.Tensor2D };

/** A block as a function of [x, cos, sin, mask, preference, vectors…, maps…, parameters…]. */
function blockBody(
  engine: Engine,
  { config }: HeldDecoder,
  { adapter, maps }: { adapter: Adapter | null; maps: string[] },
): BlockBody {
  const readAgain = mapsReadAgain(config);
  const firstMap = blockVectors(config).size;
  return (args, residuals) => {
    const [x, cos, sin, mask, preference, ...rest] = args;
    const vectors = namedVectors(config, rest);
    const weights = rest.slice(firstMap, firstMap + blockMaps.length);
    const parameters = rest.slice(firstMap + blockMaps.length);
    const width = adapter?.parameterNames.length ?? 0;
    const project: Project = (name, rows) => {
      const weight = weights[blockMaps.indexOf(name)] as tf.Tensor;
      const base = engine.project(
        rows,
        weight,
        readAgain.includes(name) ? residuals : noResiduals,
      );
      const index = maps.indexOf(name);
      if (adapter === null || index < 0) return base;
      const own = parameters.slice(index * width, (index + 1) * width);
      return tf.add(base, adapter.increment(rows, own, preference as tf.Tensor2D, residuals));
    };
    const attention = { cos, sin, mask } as AttentionContext;
    return block(x as tf.Tensor3D, { config, vectors, project, attention, residuals });
  };
}

/** x, cos, sin, mask and preference come before a block's weights. */
const FIRST_VECTOR = 5;

/** The preference of every token (B·T, M); zeros where a row is empty. */
function tokenPreferences(pack: Pack, preferences: number[][], objectives: number): tf.Tensor2D {
  const values = new Float32Array(pack.segments.length * objectives);
  pack.segments.forEach((segment, i) => {
    const preference = segment === 0 ? undefined : preferences[segment - 1];
    if (preference === undefined) return;
    if (preference.length !== objectives) {
      throw new TypeError(
        `Cannot condition on a preference: expected ${objectives} weights, got ${preference.length}`,
      );
    }
    values.set(preference, i * objectives);
  });
  return tf.tensor2d(values, [pack.segments.length, objectives]);
}
