// Where rewards come from: opens the sources that the option reward_model names and makes one source of
// them, in the order of the run's dimensions, each reward multiplied as reward_scale says. PPO and the
// fronts' metric `reward` open theirs here. Kinds of source, each in a file of this folder:
//   builtin       the built-in world's program
//   a folder      of a reward model that `deno task train reward` stored; engine and frozen base are shared
//   a folder      of an ONNX text-classification model, or its id on the hub
import type { Engine } from "../../core/engine/mod.ts";
import { InputError } from "../../core/errors.ts";
import type { HeldDecoder } from "../../core/models/held.ts";
import type { Trunk } from "../../core/trunk.ts";
import { checkRewards, type RewardSource } from "../../core/rewards/reward_source.ts";
import type { ChatTokenizer } from "../../core/text/tokenizer.ts";
import type { SessionOptions } from "../protocol.ts";
import { type Bases, createBases } from "./bases.ts";
import { kindOf, type RewardKind } from "./kinds.ts";
import { parseScale, sourcesByDimension } from "./spec.ts";

/** A base model on an engine, as the policy has it. */
export interface SharedBase {
  engine: Engine;
  decoder: HeldDecoder;
  /** The decoder's trunk without an adapter, where it is shared too. */
  trunk?: Trunk;
  fingerprint: string;
  tokenizer: ChatTokenizer;
}

/** What sources are opened with. */
export interface RewardOptions {
  dimensions: string[]; // (M), in the order of the rewards
  /** The option reward_scale: `harmless=5`. */
  scale?: string;
  /**
   * Engine and base model of the policy: called by sources that need one, and never by others. What
   * it gives stays the caller's.
   */
  shared: () => Promise<SharedBase>;
  options: SessionOptions;
  /** Tokens of a packed row at least: responses packed alike share passes through a trunk. */
  rowLength?: number;
  /** Tokens, padding included, that go through a model at once. */
  maxTokens?: number;
  /** Threads of a classifier; 0: all cores. */
  threads?: number;
}

/** The same for one source, with the base models that all of them share. */
export interface SourceOptions extends RewardOptions {
  bases: Bases;
}

/** Opens one source for the dimensions it is asked for. */
export type OpenSource = (source: string, options: SourceOptions) => Promise<RewardSource>;

const openers: Record<RewardKind, () => Promise<OpenSource>> = {
  builtin: async () => {
    const { builtinRewards } = await import("./builtin.ts");
    return (_, { dimensions }) => Promise.resolve(builtinRewards(dimensions));
  },
  stored: async () => (await import("./stored.ts")).openStoredRewards,
  classifier: async () => (await import("./classifier.ts")).openClassifier,
};

/**
 * The rewards that `spec` (the option reward_model) names, for `dimensions`. Caller disposes.
 * Throws InputError where a dimension has no source, or a source is none, or does not fit the
 * policy; CorruptFileError where its files are damaged. Rewards that are not finite throw
 * DivergedError when they are asked for.
 */
export async function openRewards(spec: string, options: RewardOptions): Promise<RewardSource> {
  const { dimensions, scale: scaleText } = options;
  const named = sourcesByDimension(spec, dimensions);
  const scale = parseScale(scaleText, dimensions);
  const bases = createBases(options);
  const opened: { name: string; source: RewardSource }[] = [];
  const dispose = async () => {
    for (const { source } of opened.splice(0)) await source[Symbol.asyncDispose]();
    bases.dispose();
  };
  try {
    for (const name of new Set(named)) {
      const own = dimensions.filter((_, i) => named[i] === name);
      const open = await openers[await kindOf(name)]();
      opened.push({ name, source: await open(name, { ...options, bases, dimensions: own }) });
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    dimensions,
    async score(responses) {
      const rewards = responses.map(() => dimensions.map(() => NaN));
      for (const { name, source } of opened) {
        const { dimensions: own } = source;
        const scores = checkRewards(await source.score(responses), {
          count: responses.length,
          dimensions: own,
          source: name,
        });
        dimensions.forEach((dimension, i) => {
          const from = named[i] === name ? own.indexOf(dimension) : -1;
          if (from < 0) return;
          rewards.forEach((row, n) => row[i] = (scale[i] ?? 1) * (scores[n]?.[from] ?? NaN));
        });
      }
      return rewards;
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** Throws InputError where `given` lacks one of `wanted`; `name` is the source. */
export function requireDimensions(given: string[], wanted: string[], name: string): void {
  const missing = wanted.find((dimension) => !given.includes(dimension));
  if (missing === undefined) return;
  throw new InputError(
    `Cannot use reward model ${name}: expected one that rewards ${missing}, got one for ${
      given.join(", ")
    }`,
  );
}
