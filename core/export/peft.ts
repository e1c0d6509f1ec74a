// A LoRA as PEFT stores one: adapter_config.json and the tensors of adapter_model.safetensors.
// Source: peft.LoraConfig and peft.utils.save_and_load of Hugging Face PEFT 0.21.
import { float32Tensor, type TensorData } from "../models/safetensors.ts";
import type { Lora } from "./lora_maps.ts";

/** Tensors by the names under which PEFT saves them. */
export function peftTensors({ rank, maps }: Lora): Record<string, TensorData> {
  return Object.fromEntries(maps.flatMap(({ module, A, B, ...map }) => {
    const name = `base_model.model.${module}`;
    return [
      [`${name}.lora_A.weight`, float32Tensor([rank, map.in], A)],
      [`${name}.lora_B.weight`, float32Tensor([map.out, rank], B)],
    ];
  }));
}

/** What PEFT needs to know of a base model. */
export interface PeftBase {
  name: string; // folder or hub id
  layers: number;
}

/** adapter_config.json. PEFT multiplies increments by lora_alpha / r, so that both are the rank. */
export function peftConfig({ rank, maps }: Lora, { name, layers }: PeftBase) {
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: name,
    inference_mode: true,
    r: rank,
    lora_alpha: rank,
    lora_dropout: 0,
    bias: "none",
    fan_in_fan_out: false,
    use_rslora: false,
    use_dora: false,
    target_modules: targetModules(maps.map(({ module }) => module), layers),
    modules_to_save: null,
  };
}

/**
 * The adapted maps as PEFT looks for them, by the ends of names: "q_proj" … where every block adapts
 * the same ones, whole names otherwise, because an end would find those of the other blocks too.
 */
function targetModules(modules: string[], layers: number): string[] {
  const endOf = (module: string) => module.slice(module.lastIndexOf(".") + 1);
  const ends = [...new Set(modules.map(endOf))];
  return modules.length === ends.length * layers ? ends : modules;
}
