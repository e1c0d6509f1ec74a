// Where the policies of a training run are computed. Here: on this thread, with one engine that also
// holds the frozen weights. shards.ts deals the same work out to several threads.
import type { Adapter, AdapterOptions } from "../core/adapters/adapter.ts";
import type { BlockParameters } from "../core/adapters/parameters.ts";
import { type BatchPass, batchPass } from "../core/batch_pass.ts";
import type { RunConfig } from "../core/config.ts";
import type { Engine } from "../core/engine/mod.ts";
import type { HeldDecoder } from "../core/models/held.ts";
import { createPolicy, type Scorer } from "../core/policy.ts";
import { type Base, loadBase, startEngine } from "./machine.ts";
import type { SessionOptions } from "./protocol.ts";

/** A base model, ready to be scored and trained. Disposing it frees engine and weights. */
export interface PolicyHost extends AsyncDisposable {
  /** The engine of this thread: parameters, losses and the optimiser live on it. */
  readonly engine: Engine;
  readonly base: Base;
  /** The policy without an adapter. */
  readonly reference: Scorer;
  /** The policy with one; `parameters` are read at each call, so updates take effect. Once only. */
  adapt(parts: TrainedParts): Promise<TrainedPolicy>;
}

export interface TrainedParts {
  kind: RunConfig["adapter"];
  options: AdapterOptions;
  adapter: Adapter; // of that kind, with those options
  parameters: BlockParameters[];
  rowLength: number; // tokens of a packed row
  maxTokens: number; // of one pass through an engine
}

export interface TrainedPolicy {
  pass: BatchPass;
  scorer: Scorer;
}

/** A host on this thread, whose frozen weights others may compute with too. */
export interface LocalHost extends PolicyHost {
  readonly decoder: HeldDecoder;
}

/** Opens engine and base model on this thread. */
export async function openLocalHost(
  config: RunConfig,
  options: SessionOptions,
): Promise<LocalHost> {
  const engine = await startEngine(config, options);
  try {
    const { decoder, ...base } = await loadBase(engine, {
      model: config.model_name_or_path,
      revision: config.revision,
    }, options);
    return {
      engine,
      base,
      decoder,
      reference: createPolicy(engine, decoder, null),
      adapt({ adapter, options: { objectives }, parameters, rowLength, maxTokens }) {
        const policy = createPolicy(engine, decoder, { adapter, objectives, parameters });
        return Promise.resolve({
          pass: batchPass(policy, { rowLength, maxTokens }),
          scorer: policy,
        });
      },
      [Symbol.asyncDispose]() {
        decoder.dispose();
        engine.dispose();
        return Promise.resolve();
      },
    };
  } catch (error) {
    engine.dispose();
    throw error;
  }
}
