// The Worker of one shard: an engine, the frozen weights and a copy of the adapter, with which it
// takes its share of each batch forward and back. Its lead (shards.ts) calls these methods over a
// port, one at a time; parameters come and gradients go through shared memory.
import type { AdapterOptions } from "../core/adapters/adapter.ts";
import { adapters } from "../core/adapters/mod.ts";
import {
  type BlockParameters,
  disposeParameters,
  readFlat,
  writeFlat,
} from "../core/adapters/parameters.ts";
import { type BatchTrace, forwardPacks } from "../core/batch_pass.ts";
import type { RunConfig } from "../core/config.ts";
import { type Engine, type EngineFiles, type EngineOptions, engines } from "../core/engine/mod.ts";
import { InputError } from "../core/errors.ts";
import { type HeldDecoder, holdDecoder } from "../core/models/held.ts";
import { createPolicy, type Policy } from "../core/policy.ts";
import type { Pack } from "../core/text/pack.ts";
import type { HubOptions } from "../data/hub.ts";
import { openModel } from "../data/models.ts";
import { requireRoom } from "./free_memory.ts";
import { answer } from "./rpc.ts";
import { PortInit } from "./threads.ts";
import { awaitInit } from "./worker_scope.ts";

/** Opens engine and base model; comes first. */
export interface OpenShard {
  engine: keyof typeof engines;
  engineOptions: EngineOptions;
  files: EngineFiles;
  model: string; // folder, file or hub id
  revision: string;
  hub: HubOptions;
  fingerprint: string; // that the model must have
}

/** Puts an adapter on the base model; comes second, once. */
export interface AdaptShard {
  kind: RunConfig["adapter"];
  options: AdapterOptions;
  blocks: { maps: string[]; names: string[]; shapes: number[][] }[];
  parameters: SharedArrayBuffer; // float32, all blocks one after the other: the lead writes
  gradients: SharedArrayBuffer; // the same: this shard writes
}

/** Takes packs forward. `version` is raised when the parameters changed. */
export interface ForwardShard {
  packs: Pack[];
  preferences: number[][]; // of all sequences of the batch
  version: number;
}

/** Scores one pack, with the adapter where `version` is given. */
export interface ScoreShard {
  pack: Pack;
  preferences: number[][];
  version: number | null;
}

/** What a shard posts besides its answers: it is alive. */
export interface SignOfLife {
  type: "alive";
  done: number; // weights loaded, of `total`; 0 otherwise
  total: number;
}

/** What a shard answers. */
export interface ShardMethods {
  open(call: OpenShard, signal: AbortSignal): Promise<void>;
  adapt(call: AdaptShard): void;
  /** log π of the batch's sequences, 0 for those of other shards. */
  forward(call: ForwardShard): Promise<Float32Array>;
  /** Writes the gradients of what `forward` took. */
  backward(slopes: Float32Array): Promise<void>;
  /** Instead of `backward`. */
  drop(): void;
  score(call: ScoreShard): Promise<Float32Array>;
  close(): void;
}

awaitInit(PortInit).then(({ port }) => answer(port, { ...createShard(port) }));

interface Trained {
  policy: Policy;
  parameters: BlockParameters[];
  shapes: number[][][];
  shared: Float32Array;
  gradients: Float32Array;
  version: number; // of the parameters that were read last
}

function createShard(port: MessagePort): ShardMethods {
  let engine: Engine | undefined;
  let decoder: HeldDecoder | undefined;
  let reference: Policy | undefined;
  let trained: Trained | undefined;
  let trace: BatchTrace | undefined;
  const showLife = (done = 0, total = 0) =>
    port.postMessage({ type: "alive", done, total } satisfies SignOfLife);

  return {
    async open(call, signal) {
      engine = await openEngine(call);
      const { model, revision, hub } = call;
      const opened = await openModel(model, { revision, hub });
      try {
        if (opened.fingerprint !== call.fingerprint) {
          throw new InputError(
            `Cannot open model ${model}: expected it unchanged since the run opened it, ` +
              "got other files",
          );
        }
        requireRoom(engine, opened);
        decoder = await holdDecoder(engine, opened.weights, (done, total) => {
          signal.throwIfAborted();
          showLife(done, total);
        });
      } finally {
        opened.close();
      }
      reference = createPolicy(engine, decoder, null);
    },

    adapt({ kind, options, blocks, parameters: shared, gradients }) {
      const parameters = blocks.map(({ maps, names }) => ({ maps, names, tensors: [] }));
      const { objectives } = options;
      const adapted = { adapter: adapters[kind](options), objectives, parameters };
      trained = {
        policy: createPolicy(opened(engine), opened(decoder), adapted),
        parameters,
        shapes: blocks.map(({ shapes }) => shapes),
        shared: new Float32Array(shared),
        gradients: new Float32Array(gradients),
        version: 0,
      };
    },

    async forward({ packs, preferences, version }) {
      const policy = upToDate(opened(trained), version);
      trace = await forwardPacks(policy, packs, preferences, showLife);
      return trace.values;
    },

    async backward(slopes) {
      const gradients = await opened(trace).backward(slopes);
      trace = undefined;
      await writeFlat(gradients, opened(trained).gradients);
      gradients.flat().forEach((tensor) => tensor.dispose());
    },

    drop() {
      trace?.dispose();
      trace = undefined;
    },

    async score({ pack, preferences, version }) {
      const policy = version === null ? opened(reference) : upToDate(opened(trained), version);
      return await policy.logProbs(pack, preferences);
    },

    close() {
      trace?.dispose();
      disposeParameters(trained?.parameters ?? []);
      decoder?.dispose();
      engine?.dispose();
    },
  };
}

async function openEngine({ engine, engineOptions, files }: OpenShard): Promise<Engine> {
  try {
    return await engines[engine](engineOptions, files);
  } catch (error) {
    if (error instanceof RangeError) throw new InputError(error.message); // an unknown device
    throw error;
  }
}

/** The policy with the parameters that the lead wrote last. */
function upToDate(trained: Trained, version: number): Policy {
  if (version !== trained.version) {
    disposeParameters(trained.parameters);
    readFlat(trained.shared, trained.shapes).forEach((tensors, i) => {
      const block = trained.parameters[i];
      if (block !== undefined) block.tensors = tensors;
    });
    trained.version = version;
  }
  return trained.policy;
}

function opened<T>(part: T | undefined): T {
  if (part === undefined) throw new TypeError("Cannot compute: expected open and adapt before");
  return part;
}
