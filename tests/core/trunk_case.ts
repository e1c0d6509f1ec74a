// What the tests of a trunk and of its stack of blocks go through: an adapter, and three sequences under
// three preferences in one pack.
import assert from "node:assert/strict";
import { svdLora } from "../../core/adapters/svd_lora.ts";
import { Random } from "../../core/random.ts";
import { type Pack, packSequences } from "../../core/text/pack.ts";
import { randomSequences } from "./models/golden_models.ts";

export const objectives = 2;
export const adapter = svdLora({ rank: 2, objectives, alpha: 8, init: "gaussian" });
export const preferences = [[0.2, 0.8], [1, 0], [0.6, 0.4]];

export function packOf(): Pack {
  const [pack] = packSequences(randomSequences(new Random(5), [[3, 4], [1, 6], [5, 2]]), {
    rowLength: 16,
    maxTokens: 64,
  });
  assert(pack);
  return pack;
}
