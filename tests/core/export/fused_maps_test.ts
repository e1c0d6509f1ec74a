import assert from "node:assert/strict";
import { fuseMaps } from "../../../core/export/fused_maps.ts";
import type { Lora } from "../../../core/export/lora_maps.ts";
import { mapShape } from "../../../core/models/linear_maps.ts";
import type { DecoderConfig } from "../../../core/models/config.ts";
import { openModel } from "../../../data/models.ts";
import { modelPath } from "../generate/decoders.ts";

async function configOf(model: string): Promise<DecoderConfig> {
  const { config, close } = await openModel(modelPath(model));
  close();
  return config;
}

/** A LoRA of rank 1 on maps of block 1: A all a, B all b. */
function loraOn(config: DecoderConfig, maps: Record<string, { a: number; b: number }>): Lora {
  return {
    rank: 1,
    maps: Object.entries(maps).map(([map, { a, b }]) => {
      const shape = mapShape(map, config);
      const A = new Float32Array(shape.in).fill(a);
      const B = new Float32Array(shape.out).fill(b);
      return { module: `model.layers.1.${map}`, ...shape, A, B };
    }),
  };
}

Deno.test("fuseMaps() puts B of fused maps on the diagonal, where their rows are", async () => {
  const config = await configOf("family_phi3");
  const lora = loraOn(config, {
    "self_attn.k_proj": { a: 2, b: 3 },
    "self_attn.v_proj": { a: 4, b: 5 },
    "mlp.down_proj": { a: 6, b: 7 },
  });
  const [q, k] = ["self_attn.q_proj", "self_attn.k_proj"].map((map) => mapShape(map, config).out);
  const [fused, down, ...others] = fuseMaps(lora, config).maps;
  assert(fused && down && q && k && others.length === 0);
  assert.equal(fused.module, "model.layers.1.self_attn.qkv_proj");
  assert.equal(fused.out, q + 2 * k);
  // Two parts, so that every map has rank 2; row o of B is [of k_proj, of v_proj].
  assert.deepEqual([...fused.A], [...Array(fused.in).fill(2), ...Array(fused.in).fill(4)]);
  const rows = [...Array(q).fill([0, 0]), ...Array(k).fill([3, 0]), ...Array(k).fill([0, 5])];
  assert.deepEqual([...fused.B], rows.flat());
  assert.equal(down.module, "model.layers.1.mlp.down_proj");
  assert.deepEqual([...down.A], [...Array(down.in).fill(6), ...Array(down.in).fill(0)]);
  assert.deepEqual([...down.B], Array(down.out).fill([7, 0]).flat());
});

Deno.test("fuseMaps() renames a map alone in its tensor, and leaves families without such maps", async () => {
  const phi3 = await configOf("family_phi3");
  const { rank, maps: [map] } = fuseMaps(loraOn(phi3, { "mlp.up_proj": { a: 2, b: 3 } }), phi3);
  assert.deepEqual([rank, map?.module], [1, "model.layers.1.mlp.gate_up_proj"]);
  const half = phi3.mlpWidth;
  assert.deepEqual([...map?.B ?? []], [...Array(half).fill(0), ...Array(half).fill(3)]);
  const llama = await configOf("llama_tied");
  const lora = loraOn(llama, { "self_attn.q_proj": { a: 1, b: 1 } });
  assert.equal(fuseMaps(lora, llama), lora);
});
