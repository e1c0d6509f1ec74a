import assert from "node:assert/strict";
import type { Lora } from "../../../core/export/lora_maps.ts";
import { peftConfig, peftTensors } from "../../../core/export/peft.ts";

function loraOn(...modules: string[]): Lora {
  const matrices = { A: Float32Array.of(1, 2, 3, 4), B: Float32Array.of(5, 6, 7, 8, 9, 10) };
  return { rank: 2, maps: modules.map((module) => ({ module, in: 2, out: 3, ...matrices })) };
}

Deno.test("peftTensors() names and shapes tensors as PEFT does", () => {
  const tensors = peftTensors(loraOn("model.layers.3.self_attn.q_proj"));
  assert.deepEqual(
    Object.entries(tensors).map(([name, { dtype, shape }]) => [name, dtype, shape]),
    [
      ["base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight", "F32", [2, 2]],
      ["base_model.model.model.layers.3.self_attn.q_proj.lora_B.weight", "F32", [3, 2]],
    ],
  );
});

Deno.test("peftConfig() scales by 1 and names maps so that PEFT finds those and no others", () => {
  const [q, k] = ["self_attn.q_proj", "self_attn.k_proj"];
  const all = [0, 1].flatMap((layer) => [q, k].map((map) => `model.layers.${layer}.${map}`));
  const base = { name: "owner/base", layers: 2 };
  const config = peftConfig(loraOn(...all), base);
  assert.equal(config.lora_alpha / config.r, 1);
  assert.equal(config.base_model_name_or_path, "owner/base");
  assert.deepEqual(config.target_modules, ["q_proj", "k_proj"]);
  // "q_proj" would find the other block's too
  assert.deepEqual(peftConfig(loraOn(all[0] ?? ""), base).target_modules, [all[0]]);
  assert.deepEqual(peftConfig(loraOn(all[0] ?? "", all[3] ?? ""), base).target_modules, [
    all[0],
    all[3],
  ]);
});
