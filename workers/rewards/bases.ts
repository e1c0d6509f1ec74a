// The base models behind reward models: the policy's own where it is the same, and each other one once,
// however many reward models run on it.
import { InputError } from "../../core/errors.ts";
import type { HeldDecoder } from "../../core/models/held.ts";
import type { AdapterConfig } from "../../data/store/adapter_config.ts";
import { runOf } from "../front_settings.ts";
import { loadBase } from "../machine.ts";
import { checkBase } from "../stored_adapter.ts";
import type { RewardOptions, SharedBase } from "./mod.ts";

export interface Bases {
  /**
   * Engine, tokenizer and the frozen weights that the reward model in `folder` was trained on; they
   * stay the bases' own. Throws InputError where that is not to be had, or has another tokenizer
   * than the policy: token ids mean the same to both only with one.
   */
  find(folder: string, config: AdapterConfig): Promise<SharedBase>;
  /** Frees the models that are not the policy's. */
  dispose(): void;
}

export function createBases({ shared, options }: Pick<RewardOptions, "shared" | "options">): Bases {
  const others = new Map<string, HeldDecoder>(); // by fingerprint
  return {
    async find(folder, config) {
      const policy = await shared();
      requireTokenizer(folder, config, policy);
      const { base_fingerprint: fingerprint } = config;
      if (fingerprint === policy.fingerprint) return policy;
      let decoder = others.get(fingerprint);
      if (decoder === undefined) {
        const revision = (await runOf(folder))?.revision ?? "main";
        const base = await loadBase(policy.engine, { model: config.base_model, revision }, options);
        try {
          checkBase(config, base, folder);
        } catch (error) {
          base.decoder.dispose();
          throw error;
        }
        others.set(fingerprint, decoder = base.decoder);
      }
      return { ...policy, decoder, fingerprint, trunk: undefined };
    },
    dispose() {
      for (const decoder of others.values()) decoder.dispose();
      others.clear();
    },
  };
}

function requireTokenizer(
  folder: string,
  { template_fingerprint: own }: AdapterConfig,
  { tokenizer: { fingerprint } }: SharedBase,
): void {
  if (own === fingerprint) return;
  throw new InputError(
    `Cannot use reward model ${folder}: expected one trained with the policy's tokenizer and chat ` +
      `template (sha256 ${fingerprint.slice(0, 12)}…), got another (${own.slice(0, 12)}…)`,
  );
}
