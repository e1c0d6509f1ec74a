// A stored adapter brought back to use: its kind with its settings, its parameters, and whether a
// base model is the one that it was trained on. Used wherever one is opened: fronts, chat, training.
import type { Adapter } from "../core/adapters/adapter.ts";
import { storedAdapters } from "../core/adapters/mod.ts";
import type { StoredParameters } from "../core/adapters/parameters.ts";
import { InputError } from "../core/errors.ts";
import { float32Tensor, toFloat32 } from "../core/models/safetensors.ts";
import type { AdapterConfig } from "../data/store/adapter_config.ts";
import type { Tensors } from "../data/store/tensors.ts";

/**
 * The adapter that a stored configuration describes; its parameters are stored beside it. Throws
 * InputError for a kind that is not in the table, and for members that its kind does not take.
 */
export function restoreAdapter(
  { adapter, lora_r, lora_alpha, lora_scaling_factor, dimensions, members = [] }: AdapterConfig,
): Adapter {
  const create = Object.hasOwn(storedAdapters, adapter) ? storedAdapters[adapter] : undefined;
  if (create === undefined) {
    throw new InputError(
      `Cannot use the adapter: expected a kind among ${Object.keys(storedAdapters).join(", ")}, ` +
        `got ${JSON.stringify(adapter.slice(0, 40))}`,
    );
  }
  return create({
    rank: lora_r,
    objectives: dimensions.length,
    alpha: lora_alpha,
    init: "gaussian",
    scalingFactor: lora_scaling_factor,
    members,
  });
}

/** Stored tensors as parameters. */
export function fromTensors(tensors: Tensors): StoredParameters {
  return new Map(
    Object.entries(tensors).map((
      [name, tensor],
    ) => [name, { shape: tensor.shape, values: toFloat32(tensor) }]),
  );
}

/** Parameters, or moments, as files hold them. */
export function toTensors(parameters: StoredParameters): Tensors {
  return Object.fromEntries(
    [...parameters].map(([name, { shape, values }]) => [name, float32Tensor(shape, values)]),
  );
}

/**
 * Throws InputError unless `base` has the weights, tokenizer and chat template that the adapter was
 * trained on; `name` is what messages call the adapter.
 */
export function checkBase(
  config: Pick<
    AdapterConfig,
    "base_fingerprint" | "template_fingerprint" | "chat_template_hash"
  >,
  base: { fingerprint: string; tokenizer: { fingerprint: string; templateHash: string | null } },
  name: string,
): void {
  checkBaseWeights(config, base, name);
  // Says of the two which it is. Adapters from before there was a hash of the template alone are
  // held to the one of both, which has always been stored.
  if (config.chat_template_hash !== undefined) {
    checkSame("chat template", {
      expected: config.chat_template_hash,
      found: base.tokenizer.templateHash ?? NONE,
      name,
    });
  }
  checkSame("tokenizer and chat template", {
    expected: config.template_fingerprint,
    found: base.tokenizer.fingerprint,
    name,
  });
}

/** The same for the weights alone, for what has no text side. */
export function checkBaseWeights(
  { base_fingerprint }: Pick<AdapterConfig, "base_fingerprint">,
  { fingerprint }: { fingerprint: string },
  name: string,
): void {
  checkSame("base model", { expected: base_fingerprint, found: fingerprint, name });
}

const NONE = "";

function checkSame(
  what: string,
  { expected, found, name }: { expected: string; found: string; name: string },
): void {
  if (found === expected) return;
  throw new InputError(
    `Cannot use adapter ${name}: expected the ${what} it was trained on ` +
      `(sha256 ${expected.slice(0, 12)}…), got ${
        found === NONE ? "none" : `another (${found.slice(0, 12)}…)`
      }`,
  );
}
