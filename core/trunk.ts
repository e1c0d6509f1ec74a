// The blocks of a frozen decoder, with an adapter or without: token ids in, hidden states out, and
// the way back. What a policy (policy.ts), a critic and a reward model have in common; they differ in
// the head on top. Gradients by layer-wise recomputation: the forward pass keeps only each block's
// input, the backward pass calls one vector–Jacobian function per block, shared by all blocks.
// Memory grows with layers × tokens × width.
import * as tf from "@tensorflow/tfjs-core";
import type { Adapter } from "./adapters/adapter.ts";
import type { BlockParameters } from "./adapters/parameters.ts";
import type { Engine, TensorFunction } from "./engine/engine.ts";
import type { Pack } from "./text/pack.ts";
import { type AttentionContext, attentionContext } from "./models/attention.ts";
import { block, blockMaps, type Project } from "./models/decoder.ts";
import type { HeldDecoder } from "./models/held.ts";

/** Gradients of one block's parameters, in the order of its tensors. */
export type BlockGradients = tf.Tensor[];

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
  const prepare = engine.compile(attentionContext(engine, decoder.config));
  const functions = new Map<string, { forward: TensorFunction; backward: TensorFunction }>();

  /** Compiled functions are shared by the blocks that adapt the same maps. */
  function functionsFor(maps: string[]) {
    const key = maps.join(" ");
    let pair = functions.get(key);
    if (pair === undefined) {
      const forward = blockFunction(engine, decoder, { adapter: adapted?.adapter ?? null, maps });
      pair = {
        forward: engine.compile((...args) => [forward(args)]),
        backward: engine.compile((...args) => pullBack(forward, args)),
      };
      functions.set(key, pair);
    }
    return pair;
  }

  function blockArguments(layer: number, shared: tf.Tensor[]) {
    const weights = decoder.blocks[layer];
    if (weights === undefined) throw new RangeError(`Cannot run block ${layer}: there is none`);
    const { maps, tensors } = adapted?.parameters[layer] ?? { maps: [], tensors: [] };
    const args = [...shared, ...weights.norms, ...weights.maps, ...tensors];
    return { ...functionsFor(maps), args };
  }

  /** Tensors that every block of a pack takes: cos, sin, mask and the preference of each token. */
  function sharedArguments(pack: Pack, preferences: number[][]): tf.Tensor[] {
    return tf.tidy(() => {
      const shape: [number, number] = [pack.rows, pack.length];
      const context = prepare(
        tf.tensor(pack.positions, shape, "int32"),
        tf.tensor(pack.segments, shape, "int32"),
        tf.tensor(pack.branches, shape, "int32"),
      );
      // A trunk without adapter takes the same arguments and ignores the last.
      const rows = adapted === null ? [] : preferences;
      return [...context, tokenPreferences(pack, rows, adapted?.objectives ?? 1)];
    });
  }

  function embed(pack: Pack): tf.Tensor3D {
    return tf.tidy(() => {
      const rows = engine.lookup(decoder.embedding, tf.tensor1d(pack.ids, "int32"));
      return tf.reshape(rows, [pack.rows, pack.length, config.width]);
    });
  }

  /** The last block's output (B, T, D); each block's input goes to `release`, which owns it. */
  function throughBlocks(
    pack: Pack,
    shared: tf.Tensor[],
    release: (input: tf.Tensor) => void,
  ): tf.Tensor {
    let x: tf.Tensor = embed(pack);
    for (let layer = 0; layer < config.layers; layer++) {
      const { forward, args } = blockArguments(layer, shared);
      const [next] = forward(x, ...args);
      release(x);
      x = next as tf.Tensor;
    }
    return x;
  }

  return {
    hidden(pack, preferences) {
      const shared = sharedArguments(pack, preferences);
      const x = throughBlocks(pack, shared, (input) => input.dispose());
      shared.forEach((tensor) => tensor.dispose());
      return flatten(x);
    },

    hiddenWithGradient(pack, preferences) {
      const shared = sharedArguments(pack, preferences);
      const inputs: tf.Tensor[] = [];
      const x = throughBlocks(pack, shared, (input) => inputs.push(input));
      const shape = x.shape;
      const hidden = flatten(x);
      const dispose = () => [...shared, ...inputs, hidden].forEach((tensor) => tensor.dispose());

      function backward(slopes: tf.Tensor2D): BlockGradients[] {
        let dy: tf.Tensor = tf.reshape(slopes, shape);
        const gradients: BlockGradients[] = [];
        for (let layer = config.layers - 1; layer >= 0; layer--) {
          const { backward: pull, args } = blockArguments(layer, shared);
          const [dx, ...parameterGradients] = pull(inputs[layer] as tf.Tensor, ...args, dy);
          dy.dispose();
          inputs.pop()?.dispose();
          dy = dx as tf.Tensor;
          gradients.unshift(parameterGradients);
        }
        dy.dispose();
        dispose();
        return gradients;
      }
      return { hidden, backward, dispose };
    },
  };
}

/** (B, T, D) → (B·T, D); disposes the former. */
function flatten(x: tf.Tensor): tf.Tensor2D {
  const [rows = 0, length = 0, width = 0] = x.shape;
  const flat = tf.reshape(x, [rows * length, width]) as tf.Tensor2D;
  x.dispose();
  return flat;
}

/** A block as a function of [x, cos, sin, mask, preference, norms…, maps…, parameters…]. */
function blockFunction(
  engine: Engine,
  decoder: HeldDecoder,
  { adapter, maps }: { adapter: Adapter | null; maps: string[] },
): (args: tf.Tensor[]) => tf.Tensor {
  return (args) => {
    const [x, cos, sin, mask, preference, inputNorm, outputNorm, ...rest] = args as tf.Tensor[];
    const weights = rest.slice(0, blockMaps.length);
    const parameters = rest.slice(blockMaps.length);
    const width = adapter?.parameterNames.length ?? 0;
    const project: Project = (name, rows) => {
      const base = engine.project(rows, weights[blockMaps.indexOf(name as never)] as tf.Tensor);
      const index = maps.indexOf(name);
      if (adapter === null || index < 0) return base;
      const own = parameters.slice(index * width, (index + 1) * width);
      return tf.add(base, adapter.increment(rows, own, preference as tf.Tensor2D));
    };
    const norms = {
      input_layernorm: inputNorm as tf.Tensor,
      post_attention_layernorm: outputNorm as tf.Tensor,
    };
    const attention = { cos, sin, mask } as AttentionContext;
    return block(x as tf.Tensor3D, norms, { config: decoder.config, project, attention });
  };
}

/** Vector–Jacobian product of a block: [...args, dy] → [dx, gradients of the parameters…]. */
function pullBack(forward: (args: tf.Tensor[]) => tf.Tensor, all: tf.Tensor[]): tf.Tensor[] {
  const dy = all.at(-1) as tf.Tensor;
  const args = all.slice(0, -1);
  const frozen = args.slice(1, FIRST_PARAMETER);
  const gradients = tf.grads((x, ...parameters) => forward([x, ...frozen, ...parameters]));
  return gradients([args[0] as tf.Tensor, ...args.slice(FIRST_PARAMETER)], dy);
}

/** x, cos, sin, mask, preference, two norms and the maps come before the parameters. */
const FIRST_PARAMETER = 7 + blockMaps.length;

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
