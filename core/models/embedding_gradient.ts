// The gradient of an embedding table: every token's slope, added up in its id's row. The back ends
// have no scatter in common, so rows of one id are added by a product with zeros and ones, and the
// sums are fetched to their places by their inverse index. Used by core/full_policy.ts.
import * as tf from "@tensorflow/tfjs-core";
import type { Engine } from "../engine/engine.ts";

/** Distinct ids are counted up to a multiple of this, so that few shapes are compiled. */
const SLOTS = 256;

/** slopes (N, D), ids (N) → gradient of a table of `rows` rows (V, D). Caller disposes. */
export function embeddingGradient(
  engine: Engine,
  rows: number,
): (slopes: tf.Tensor2D, ids: Int32Array) => tf.Tensor2D {
  const scatter = engine.compile((slopes, slotOfToken, slots, slotOfId) => {
    const [N, D] = (slopes as tf.Tensor2D).shape;
    const own = tf.equal(
      tf.reshape(slots as tf.Tensor, [-1, 1]),
      tf.reshape(slotOfToken as tf.Tensor, [1, N]),
    ); // (slots, N)
    const sums = tf.matMul(tf.cast(own, "float32") as tf.Tensor2D, slopes as tf.Tensor2D);
    return [engine.lookup(tf.concat([sums, tf.zeros([1, D])]), slotOfId as tf.Tensor1D)];
  });

  return (slopes, ids) => {
    const known = new Map<number, number>();
    const slotOfToken = Int32Array.from(ids, (id) => {
      const slot = known.get(id) ?? known.size;
      known.set(id, slot);
      return slot;
    });
    const count = Math.ceil(known.size / SLOTS) * SLOTS;
    const slotOfId = new Int32Array(rows).fill(count); // the row of zeros
    for (const [id, slot] of known) slotOfId[id] = slot;
    const slots = Int32Array.from({ length: count }, (_, slot) => slot);
    const inputs = [slotOfToken, slots, slotOfId].map((values) => tf.tensor1d(values, "int32"));
    const [gradient] = scatter(slopes, ...inputs);
    inputs.forEach((tensor) => tensor.dispose());
    return gradient as tf.Tensor2D;
  };
}
