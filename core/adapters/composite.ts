// An adapter made of other adapters, its members, each trained for one preference: the baselines that
// the paper compares with. What a preference decides is each member's share in the increment:
//   Δ(λ) = Σ_i share_i(λ) · Δ_i
// so V and U of the members stand side by side, and everything that takes factors takes these.
import * as tf from "@tensorflow/tfjs-core";
import type { Adapter, AdapterOptions } from "./adapter.ts";

/** Settings of a composite adapter: those of each member, and the preferences of the members. */
export interface CompositeOptions extends AdapterOptions {
  members: number[][]; // (K, M)
}

/** How a preference deals shares to K members; both forms give the same numbers. */
export interface Shares {
  /** Rows of preferences (N, M) to rows of shares (N, K). */
  ofRows(preference: tf.Tensor2D): tf.Tensor2D;
  /** One preference (M) to its shares (K). */
  of(preference: number[]): number[];
  /** Whether the shares are affine in λ. */
  affine: boolean;
}

/**
 * The adapter of `count` members of one kind that no preference moves. The parameters of member i are
 * those of the kind, with the prefix `member_i.` before their names.
 */
export function compositeAdapter(member: Adapter, count: number, shares: Shares): Adapter {
  const width = member.parameterNames.length;
  /** Parameters of the members one by one. */
  function byMember<T>(parameters: T[]): T[][] {
    if (parameters.length !== count * width) {
      throw new TypeError(
        `Cannot apply an adapter of ${count} members: expected ${count * width} parameters, ` +
          `got ${parameters.length}`,
      );
    }
    return Array.from({ length: count }, (_, i) => parameters.slice(i * width, (i + 1) * width));
  }
  return {
    parameterNames: Array.from(
      { length: count },
      (_, i) => member.parameterNames.map((name) => memberParameter(i, name)),
    ).flat(),

    init(shape, random) {
      return Array.from({ length: count }, (_, i) => member.init(shape, random.fork(`member ${i}`)))
        .flat();
    },

    increment(x, parameters, preference) {
      const table = shares.ofRows(preference); // (N, K)
      const terms = byMember(parameters).map((own, i) => {
        const share = tf.slice2d(table, [0, i], [-1, 1]); // (N, 1)
        return tf.mul(member.increment(x, own, preference), share);
      });
      return tf.addN(terms) as tf.Tensor2D;
    },

    penalty(parameters) {
      return tf.addN(byMember(parameters).map((own) => member.penalty(own)));
    },

    width: count * member.width,

    factors(parameters) {
      const each = byMember(parameters).map((own) => member.factors(own));
      return {
        V: sideBySide(each.map(({ V }) => V), member.width),
        U: joined(each.map(({ U }) => U)),
      };
    },

    rowFactors(preference) {
      const own = member.rowFactors(preference);
      return joined(shares.of(preference).map((share) => own.map((factor) => share * factor)));
    },

    affine: shares.affine,

    merge(parameters, preference) {
      const weights = shares.of(preference);
      const [first, ...others] = byMember(parameters).flatMap((own, i) => {
        const share = weights[i] ?? 0;
        return share === 0 ? [] : [member.merge(own, preference).map((value) => share * value)];
      });
      if (first === undefined) throw new RangeError("Cannot merge: expected a member with a share");
      for (const other of others) {
        other.forEach((value, at) => first[at] = (first[at] ?? 0) + value);
      }
      return first;
    },
  };
}

/** What the parameter `name` of member `i` is called in the whole. */
export function memberParameter(i: number, name: string): string {
  return `member_${i}.${name}`;
}

/** Matrices (n, width) as one (n, K·width). */
function sideBySide(matrices: Float32Array[], width: number): Float32Array {
  const total = matrices.length * width;
  const whole = new Float32Array(matrices.reduce((sum, { length }) => sum + length, 0));
  matrices.forEach((matrix, m) => {
    for (let row = 0; row * width < matrix.length; row++) {
      whole.set(matrix.subarray(row * width, (row + 1) * width), row * total + m * width);
    }
  });
  return whole;
}

function joined(parts: Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
