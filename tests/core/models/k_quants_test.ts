import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { rmsNorm } from "../../../core/models/norm.ts";
import { createPolicy } from "../../../core/policy.ts";
import { packSequences } from "../../../core/text/pack.ts";
import { openModel } from "../../../data/models.ts";
import { eachEngine } from "../../engines.ts";
import golden from "../../golden/k_quants.json" with { type: "json" };
import { assertNear } from "../../near.ts";
import { holdGolden } from "./golden_models.ts";

const file = new URL("../../golden/llama_gguf/k_quants.gguf", import.meta.url).pathname;

Deno.test("a GGUF of K-quants gives transformers' weights bit for bit", async () => {
  const { weights, close } = await openModel(file);
  try {
    assert.deepEqual(weights.names.toSorted(), Object.keys(golden.weightsSha256).toSorted());
    for (const [name, expected] of Object.entries(golden.weightsSha256)) {
      const digest = await crypto.subtle.digest("SHA-256", await weights.read(name));
      assert.equal(new Uint8Array(digest).toHex(), expected, name);
    }
  } finally {
    close();
  }
});

eachEngine("a GGUF of K-quants gives transformers' logits", async (engine) => {
  const decoder = await holdGolden(engine, "llama_gguf/k_quants.gguf");
  const [first = 0, ...others] = golden.ids;
  const sequence = { prompt: Int32Array.of(first), response: Int32Array.from(others) };
  const length = golden.ids.length;
  const [pack] = packSequences([sequence], { rowLength: length, maxTokens: length });
  assert(pack);
  const hidden = createPolicy(engine, decoder, null).hidden(pack, []);
  const logits = tf.tidy(() =>
    engine.project(rmsNorm(hidden, decoder.norm, decoder.config.normEpsilon), decoder.head)
  );
  const values = await logits.data();
  assertNear(values.subarray(-golden.logits.length), golden.logits, { tolerance: 1e-4 });
  [hidden, logits].forEach((tensor) => tensor.dispose());
  decoder.dispose();
});
