// A stack of decoder blocks, forward and back, one compiled function at a time: what a trunk with
// frozen weights (trunk.ts) and a policy of trained ones (full_policy.ts) have in common. The forward
// pass keeps each block's input, and the block's residuals (engine/residuals.ts) as far as the engine's
// budget goes; the backward pass calls one vector–Jacobian function per block, which computes the rest
// of the block anew. Both ways of a block give the same bits. Memory grows with layers × tokens × width.
import * as tf from "@tensorflow/tfjs-core";
import type { Engine, TensorFunction } from "./engine/engine.ts";
import { handedBack, noResiduals, notedIn, type Residuals } from "./engine/residuals.ts";

/** Gradients of one block's parameters, in the order of its tensors. */
export type BlockGradients = tf.Tensor[];

/** A block's output from its arguments, of which the first is its input x. */
export type BlockBody = (args: tf.Tensor[], residuals: Residuals) => tf.Tensor;

/** A block's functions, compiled; shared by all blocks of the same shape. */
export interface BlockFunctions {
  /** […args] → [y] */
  forward: TensorFunction;
  /** […args] → [y, …residuals] */
  forwardKeeping: TensorFunction;
  /** […args, dy] → [dx, …gradients of the trained arguments] */
  backward: TensorFunction;
  /** […args, …residuals, dy] → the same */
  backwardKept: TensorFunction;
}

/** `count`: of the body's arguments; `trained`: the arguments from this one on are. */
export function blockFunctions(
  engine: Engine,
  body: BlockBody,
  { count, trained }: { count: number; trained: number },
): BlockFunctions {
  function pullBack(residualsOf: (given: tf.Tensor[]) => Residuals): TensorFunction {
    return (...all) => {
      const dy = all.at(-1) as tf.Tensor;
      const args = all.slice(0, count);
      const residuals = residualsOf(all.slice(count, -1));
      const frozen = args.slice(1, trained);
      const gradients = tf.grads((x, ...own) => body([x, ...frozen, ...own], residuals));
      return gradients([args[0] as tf.Tensor, ...args.slice(trained)], dy);
    };
  }
  return {
    forward: engine.compile((...args) => [body(args, noResiduals)]),
    forwardKeeping: engine.compile((...args) => {
      const noted: tf.Tensor[] = [];
      return [body(args, notedIn(noted)), ...noted];
    }),
    backward: engine.compile(pullBack(() => noResiduals)),
    backwardKept: engine.compile(pullBack(handedBack)),
  };
}

/** A block to run: its functions, and its arguments after x, which stay the caller's. */
export interface BlockCall {
  functions: BlockFunctions;
  args: tf.Tensor[];
}

/** A forward pass that can be taken back. Call backward or dispose exactly once. */
export interface StackTrace {
  /** The last block's output; the caller's. */
  readonly output: tf.Tensor;
  /** Gradients by block, and of the first block's input, for dy, which is disposed; all the caller's. */
  backward(dy: tf.Tensor): { dx: tf.Tensor; gradients: BlockGradients[] };
  dispose(): void;
}

/** x through all blocks, each of which is asked for when its turn comes; disposes x. */
export function runStack(
  x: tf.Tensor,
  layers: number,
  callOf: (layer: number) => BlockCall,
): tf.Tensor {
  for (let layer = 0; layer < layers; layer++) {
    const { functions, args } = callOf(layer);
    const [next] = functions.forward(x, ...args);
    x.dispose();
    x = next as tf.Tensor;
  }
  return x;
}

/** The same, keeping what the gradient needs, x included. */
export function traceStack(
  engine: Engine,
  x: tf.Tensor,
  { layers, callOf }: { layers: number; callOf: (layer: number) => BlockCall },
): StackTrace {
  const kept: { input: tf.Tensor; residuals: tf.Tensor[] }[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const { functions, args } = callOf(layer);
    const [next, ...residuals] = functions.forwardKeeping(x, ...args);
    kept.push({ input: x, residuals: withinBudget(engine, residuals) });
    x = next as tf.Tensor;
  }
  function release({ input, residuals }: { input: tf.Tensor; residuals: tf.Tensor[] }) {
    engine.residualBytes.giveBack(bytesOf(engine, residuals));
    [input, ...residuals].forEach((tensor) => tensor.dispose());
  }
  return {
    output: x,
    backward(dy) {
      const gradients: BlockGradients[] = [];
      for (let block = kept.pop(); block !== undefined; block = kept.pop()) {
        const { functions, args } = callOf(kept.length);
        const { input, residuals } = block;
        const pull = residuals.length === 0 ? functions.backward : functions.backwardKept;
        const [dx, ...own] = pull(input, ...args, ...residuals, dy);
        dy.dispose();
        release(block);
        dy = dx as tf.Tensor;
        gradients.unshift(own);
      }
      return { dx: dy, gradients };
    },
    dispose: () => kept.splice(0).forEach(release),
  };
}

/** A stack's output (B, T, D) as rows (B·T, D); disposes the former. */
export function flatten(x: tf.Tensor): tf.Tensor2D {
  const [rows = 0, length = 0, width = 0] = x.shape;
  const flat = tf.reshape(x, [rows * length, width]) as tf.Tensor2D;
  x.dispose();
  return flat;
}

/** The residuals, or none of them, and they are disposed, where the engine's budget is used up. */
function withinBudget(engine: Engine, residuals: tf.Tensor[]): tf.Tensor[] {
  if (engine.residualBytes.take(bytesOf(engine, residuals))) return residuals;
  residuals.forEach((tensor) => tensor.dispose());
  return [];
}

function bytesOf(engine: Engine, tensors: tf.Tensor[]): number {
  return tensors.reduce((sum, tensor) => sum + engine.bytesOf(tensor), 0);
}
