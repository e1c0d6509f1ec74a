// A run whose batches are split over shards: Workers with an engine and the frozen weights each. This
// thread deals the rows of every pack out, gathers log-probabilities, hands slopes back, and sums the
// gradients in the order of the shards, so that a step depends on their number and on nothing else.
// It holds no frozen weights itself: adapter, losses and optimiser are all it computes.
import type * as tf from "@tensorflow/tfjs-core";
import {
  type BlockParameters,
  countValues,
  readFlat,
  writeFlat,
} from "../core/adapters/parameters.ts";
import type { BatchPass, BatchTrace } from "../core/batch_pass.ts";
import type { RunConfig } from "../core/config.ts";
import type { Engine, EngineFiles, engines } from "../core/engine/mod.ts";
import type { Scorer } from "../core/policy.ts";
import { type Pack, packSequences, splitPack } from "../core/text/pack.ts";
import { hubOptions } from "../data/hub.ts";
import { type Base, modelPath, openBase, openEngine } from "./machine.ts";
import type { PolicyHost, TrainedParts, TrainedPolicy } from "./policy_host.ts";
import type { SessionOptions } from "./protocol.ts";
import { type Shard, startShard } from "./shard.ts";
import { deviceNames, planShards, type ShardPlan } from "./shard_plan.ts";
import type { OpenShard, SignOfLife } from "./shard_worker.ts";

/** Opens `config.shards` shards with the base model on each. Throws ShardError where one is lost. */
export async function openShards(
  config: RunConfig,
  options: SessionOptions,
): Promise<PolicyHost> {
  const device = deviceNames(config.device)[0] ?? "auto";
  const { engine, files } = await openEngine({ ...config, device }, options);
  const shards: Shard[] = [];
  const close = async () => {
    await Promise.all(shards.map((shard) => shard.stop()));
    engine.dispose();
  };
  try {
    const plan = planShards(config, {
      cores: navigator.hardwareConcurrency,
      devices: engine.devices,
    });
    const base = await openBase({
      model: config.model_name_or_path,
      revision: config.revision,
    }, options);
    await startAll({ config, options, plan, base, engine, files }, shards);
    return {
      engine,
      base,
      reference: shardedScorer(shards, () => Promise.resolve(null)),
      adapt: (parts) => adaptAll(shards, parts),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    options.signal.throwIfAborted();
    throw error;
  }
}

/** Starts the shards of `plan`, adds them to `shards`, and loads the weights on each. */
async function startAll(
  { config, options, plan, base, engine, files }: {
    config: RunConfig;
    options: SessionOptions;
    plan: ShardPlan[];
    base: Base;
    engine: Engine;
    files: EngineFiles;
  },
  shards: Shard[],
): Promise<void> {
  const signs: SignOfLife[] = [];
  const report = (i: number, sign: SignOfLife) => {
    if (sign.total === 0) return;
    signs[i] = sign;
    const done = signs.reduce((total, each) => total + each.done, 0);
    options.onEvent({
      type: "progress",
      what: `Loading weights on ${plan.length} shards`,
      done,
      total: plan.length * sign.total,
    });
  };
  const call: Omit<OpenShard, "engineOptions"> = {
    engine: engine.name as keyof typeof engines,
    files,
    model: modelPath(config.model_name_or_path),
    revision: config.revision,
    // The model is on disk by now, and no shard needs the token.
    hub: { cacheDir: hubOptions(options.env).cacheDir, offline: true },
    fingerprint: base.fingerprint,
  };
  const timeoutSeconds = config.shard_timeout;
  const started = await Promise.allSettled(plan.map(({ name }, i) => {
    return startShard(name, { timeoutSeconds, onLife: (sign) => report(i, sign) });
  }));
  shards.push(...started.flatMap((result) => result.status === "fulfilled" ? [result.value] : []));
  const failed = started.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  await Promise.all(plan.map(({ device, threads }, i) => {
    const engineOptions = { dtype: engine.dtype, device, threads };
    return shards[i]?.call("open", { ...call, engineOptions }, options.signal);
  }));
}

async function adaptAll(
  shards: Shard[],
  { kind, options, parameters, rowLength, maxTokens }: TrainedParts,
): Promise<TrainedPolicy> {
  const bytes = Float32Array.BYTES_PER_ELEMENT * countValues(tensorsOf(parameters));
  const shared = new SharedArrayBuffer(bytes);
  const blocks = parameters.map(({ maps, names, tensors }) => ({
    maps,
    names,
    shapes: tensors.map(({ shape }) => shape),
  }));
  const members = await Promise.all(shards.map(async (shard): Promise<Member> => {
    const gradients = new SharedArrayBuffer(bytes);
    await shard.call("adapt", { kind, options, blocks, parameters: shared, gradients });
    return { shard, gradients: new Float32Array(gradients) };
  }));
  const publish = publisher(parameters, new Float32Array(shared));
  return {
    scorer: shardedScorer(shards, publish),
    pass: shardedPass(members, {
      publish,
      shapes: blocks.map(({ shapes }) => shapes),
      rowLength,
      // Each shard's part of a pack has at most `maxTokens`, as a pack on one thread has.
      packTokens: shards.length * rowLength * Math.max(1, Math.floor(maxTokens / rowLength)),
    }),
  };
}

/** A shard and the memory that it leaves its gradients in. */
interface Member {
  shard: Shard;
  gradients: Float32Array;
}

/** Writes the parameters where the shards read them, if they changed; returns their version. */
function publisher(parameters: BlockParameters[], shared: Float32Array): () => Promise<number> {
  let published: tf.Tensor[] = [];
  let version = 0;
  return async () => {
    const tensors = tensorsOf(parameters);
    const flat = tensors.flat();
    if (version === 0 || flat.some((tensor, i) => tensor !== published[i])) {
      await writeFlat(tensors, shared);
      published = flat;
      version++;
    }
    return version;
  };
}

function shardedPass(
  members: Member[],
  { publish, shapes, rowLength, packTokens }: {
    publish: () => Promise<number>;
    shapes: number[][][];
    rowLength: number;
    packTokens: number;
  },
): BatchPass {
  return {
    async forward(sequences, preferences): Promise<BatchTrace> {
      const packs = packSequences(sequences, { rowLength, maxTokens: packTokens, preferences });
      const dealt = packs.map((pack) => splitPack(pack, members.length));
      const busy = members.flatMap((member, i) => {
        const own = dealt.flatMap((parts): Pack[] => parts.slice(i, i + 1));
        return own.length === 0 ? [] : [{ ...member, packs: own }];
      });
      const version = await publish();
      const values = sum(
        await Promise.all(busy.map(({ shard, packs }) => {
          return shard.call("forward", { packs, preferences, version });
        })),
      );
      return {
        values,
        dispose: () => busy.forEach(({ shard }) => shard.call("drop").catch(() => {})),
        async backward(slopes) {
          await Promise.all(busy.map(({ shard }) => shard.call("backward", slopes)));
          return readFlat(sum(busy.map(({ gradients }) => gradients)), shapes);
        },
      };
    },
  };
}

/** Scores with the adapter of the version that `publish` tells; null: with none. */
function shardedScorer(shards: Shard[], publish: () => Promise<number | null>): Scorer {
  return {
    async logProbs(pack, preferences) {
      const version = await publish();
      const parts = await Promise.all(
        splitPack(pack, shards.length).map((part, i) => {
          return (shards[i] as Shard).call("score", { pack: part, preferences, version });
        }),
      );
      const values = new Float32Array(pack.predicting.length);
      let at = 0;
      for (const part of parts) {
        values.set(part, at);
        at += part.length;
      }
      return values;
    },
  };
}

/** The sums of equally long arrays, entry by entry, always in the same order. */
function sum(arrays: Float32Array[]): Float32Array {
  const totals = new Float64Array(arrays[0]?.length ?? 0);
  for (const array of arrays) {
    for (let i = 0; i < totals.length; i++) totals[i] = (totals[i] ?? 0) + (array[i] ?? 0);
  }
  return new Float32Array(totals);
}

function tensorsOf(parameters: BlockParameters[]): tf.Tensor[][] {
  return parameters.map(({ tensors }) => tensors);
}
