// The small checkpoints of tests/golden/families.py: one or more of every family but Llama.
import goldens from "../../golden/families.json" with { type: "json" };

export { goldens };

/** What the script found on a checkpoint. */
export interface FamilyGolden {
  logits: number[][]; // (T, V)
  logProbs: number[];
  gradients: Record<string, { norm: number; at: number; value: number }>;
}

const golden: Record<string, FamilyGolden> = goldens.checkpoints;

/** Checkpoints that lie as GGUF files too. */
const inGguf = ["qwen2", "qwen3", "olmo2", "gemma2_plain", "gemma3", "phi3", "phi3_longrope"];

/** Of every family the checkpoint that has the most of its traits. */
export const oneOfEach = [
  ...["family_qwen2_window", "family_qwen3", "family_mistral_window", "family_olmo2"],
  ...["family_gemma2", "family_gemma3", "family_phi3"],
];

/** The checkpoints in Hugging Face's format. */
export const familyFolders = Object.keys(golden).map((name) => `family_${name}`);

/** Model within tests/golden → what is known of it. */
export const familyModels: Record<string, FamilyGolden> = Object.fromEntries([
  ...Object.values(golden).map((own, i) => [familyFolders[i], own]),
  ...inGguf.map((name) => [`family_gguf/${name}.gguf`, golden[name]]),
]);
