// A frozen trunk that remembers what it gave last: whoever asks for the same pack again gets it without
// a pass. In an iteration of PPO these are a reward model with a frozen backbone and, after it, the
// reference policy, on the same answers. Kept in this machine's memory, where nobody has to free it.
import * as tf from "@tensorflow/tfjs-core";
import type { Pack } from "./text/pack.ts";
import type { Trunk } from "./trunk.ts";

/** Hidden states remembered at most: of 29 thousand tokens of SmolLM2-135M. */
const REMEMBERED_BYTES = 2 ** 26;

/** `trunk`, which must be without an adapter: its hidden states follow from the pack alone. */
export function rememberedTrunk(trunk: Trunk, maxBytes: number = REMEMBERED_BYTES): Trunk {
  let remembered: { pack: Pack; values: Float32Array; shape: [number, number] }[] = [];

  function remember(pack: Pack, hidden: tf.Tensor2D): void {
    const { shape } = hidden;
    remembered.push({ pack, shape, values: hidden.dataSync<"float32">().slice() });
    let room = maxBytes; // for the last ones
    const first = remembered.findLastIndex(({ values }) => (room -= values.byteLength) < 0);
    remembered = remembered.slice(first + 1);
  }

  return {
    ...trunk,
    hidden(pack, preferences) {
      const found = remembered.find((before) => sameTokens(before.pack, pack));
      if (found !== undefined) return tf.tensor2d(found.values.slice(), found.shape);
      const hidden = trunk.hidden(pack, preferences);
      remember(pack, hidden);
      return hidden;
    },
  };
}

/** Whether two packs are the same to a trunk, whoever's they are and whatever is predicted. */
function sameTokens(a: Pack, b: Pack): boolean {
  return a.rows === b.rows && a.length === b.length && same(a.ids, b.ids) &&
    same(a.positions, b.positions) && same(a.segments, b.segments) && same(a.branches, b.branches);
}

function same(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
