// A set of trained parameters with what their updates need: moments, clipping, their own count of
// updates. train.ts has one of them, PPO (rlhf/rlhf.ts) has two: policy and critic.
import * as tf from "@tensorflow/tfjs-core";
import {
  type BlockParameters,
  disposeParameters,
  type StoredParameters,
} from "./adapters/parameters.ts";
import type { Engine } from "./engine/engine.ts";
import {
  adamW,
  type AdamWOptions,
  globalNorm,
  loadMoments,
  type Moments,
  storeMoments,
} from "./optim.ts";
import type { BlockGradients } from "./block_stack.ts";

export interface LearnerOptions extends AdamWOptions {
  /** The gradient's norm is held to this; 0: it is not. */
  maxGradNorm: number;
  /** Where an earlier run stopped: updates done and its moments. */
  resume?: { updates: number; moments: StoredParameters };
}

export interface Learner {
  /** Replaced in place by each update. */
  readonly parameters: BlockParameters[];
  /** Updates done. */
  readonly updates: number;
  /**
   * One step of AdamW down `share` times the gradients, which it disposes; returns the norm of that
   * before clipping. Where it is not finite, nothing is updated.
   */
  update(
    gradients: BlockGradients[],
    step: { learningRate: number; share?: number },
  ): Promise<number>;
  /** Whether every parameter is a finite number. */
  isFinite(): Promise<boolean>;
  /** Moments under their stored names; see storeMoments. */
  moments(): Promise<StoredParameters>;
  /** Remembers parameters, moments and count as they are, in place of what it remembered before. */
  remember(): void;
  /** Back to what it remembers, bit for bit; throws RangeError where that is nothing. */
  restore(): void;
  /** Frees the moments and what it remembers; the parameters stay the caller's. */
  dispose(): void;
}

export function createLearner(
  engine: Engine,
  parameters: BlockParameters[],
  { maxGradNorm, resume, ...options }: LearnerOptions,
): Learner {
  const optimiser = adamW(engine, options);
  let moments = parameters.map(({ names, tensors }) =>
    resume === undefined ? optimiser.init(tensors) : loadMoments(names, resume.moments)
  );
  let updates = resume?.updates ?? 0;
  let remembered: Remembered | null = null;

  function forget(): void {
    if (remembered === null) return;
    disposeParameters(remembered.parameters);
    disposeMoments(remembered.moments);
    remembered = null;
  }

  return {
    parameters,
    get updates() {
      return updates;
    },
    async update(gradients, { learningRate, share = 1 }) {
      const norm = share * await globalNorm(engine, gradients);
      if (Number.isFinite(norm)) {
        updates++;
        const clip = maxGradNorm > 0 ? Math.min(1, maxGradNorm / norm) : 1;
        moments = parameters.map((block, i) => {
          const state = { step: updates, learningRate, scale: share * clip };
          const updated = optimiser.update(block.tensors, gradients[i] ?? [], {
            moments: moments[i] ?? { first: [], second: [] },
            ...state,
          });
          block.tensors = updated.parameters;
          return updated.moments;
        });
      }
      gradients.flat().forEach((tensor) => tensor.dispose());
      return norm;
    },
    async isFinite() {
      const norm = await globalNorm(engine, parameters.map(({ tensors }) => tensors));
      return Number.isFinite(norm);
    },
    moments: () => storeMoments(parameters, moments),
    remember() {
      forget();
      remembered = {
        parameters: parameters.map(({ tensors }) => ({ tensors: sameValues(tensors) })),
        moments: moments.map(sameMoments),
        updates,
      };
    },
    restore() {
      if (remembered === null) {
        throw new RangeError("Cannot go back: expected parameters that are remembered, got none");
      }
      const before = remembered;
      disposeParameters(parameters);
      disposeMoments(moments);
      parameters.forEach((block, i) => {
        block.tensors = sameValues(before.parameters[i]?.tensors ?? []);
      });
      moments = before.moments.map(sameMoments);
      updates = before.updates;
    },
    dispose() {
      forget();
      disposeMoments(moments);
      moments = [];
    },
  };
}

interface Remembered {
  parameters: { tensors: tf.Tensor[] }[]; // by block
  moments: Moments[];
  updates: number;
}

/** Tensors of their own on the same values: an update makes new values and leaves these. */
function sameValues(tensors: tf.Tensor[]): tf.Tensor[] {
  return tensors.map((tensor) => tf.clone(tensor));
}

function sameMoments({ first, second }: Moments): Moments {
  return { first: sameValues(first), second: sameValues(second) };
}

function disposeMoments(moments: Moments[]): void {
  for (const { first, second } of moments) {
    [...first, ...second].forEach((tensor) => tensor.dispose());
  }
}
