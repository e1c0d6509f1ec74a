// Residuals: values that a function computes on the way forward and that its gradient reads again. A
// function that takes Residuals is run in one of three ways: as it is; noting them, in the order in
// which it computes them; or with the noted ones handed back in that order instead of computed.
import * as tf from "@tensorflow/tfjs-core";

export interface Residuals {
  /** The next value as it was noted; null where it is to be computed. */
  take(): tf.Tensor | null;
  /** Makes a handle of its own where it notes the value, which stays the caller's. */
  note(value: tf.Tensor): void;
}

/** Everything is computed and nothing is noted. */
export const noResiduals: Residuals = { take: () => null, note: () => {} };

/** Computes and notes the values in `into`. */
export function notedIn(into: tf.Tensor[]): Residuals {
  return { take: () => null, note: (value) => void into.push(tf.clone(value)) };
}

/** Hands out what was noted. Throws RangeError where the function asks for more. */
export function handedBack(noted: tf.Tensor[]): Residuals {
  let next = 0;
  return {
    take() {
      const value = noted[next++];
      if (value !== undefined) return value;
      throw new RangeError(
        `Cannot go back: expected residual ${next}, got ${noted.length} of them`,
      );
    },
    note: () => {},
  };
}

/** A residual that no gradient goes through. */
export function constantResidual<T extends tf.Tensor>(residuals: Residuals, compute: () => T): T {
  const value = residuals.take() as T | null ?? compute();
  residuals.note(value);
  return value;
}

/** value(…inputs) as a residual, with its gradients by the inputs. */
export function residual<I extends tf.Tensor[], R extends tf.Rank>(
  residuals: Residuals,
  inputs: [...I],
  { value, gradients }: {
    value(...inputs: I): tf.Tensor<R>;
    gradients(dy: tf.Tensor<R>, ...inputs: I): tf.Tensor[];
  },
): tf.Tensor<R> {
  const compute = tf.customGrad<tf.Tensor<R>>((...all) => {
    const save = all.at(-1) as tf.GradSaveFunc;
    save(inputs); // what lies between the arguments and here is gone when the gradient is asked for
    const kept = residuals.take() as tf.Tensor<R> | null;
    return {
      value: kept === null ? value(...inputs) : tf.clone(kept),
      gradFunc: (dy, saved) => gradients(dy, ...saved as I),
    };
  });
  const result = compute(...inputs);
  residuals.note(result);
  return result;
}
