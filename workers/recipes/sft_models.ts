// What supervised fine-tuning trains, by the setting `tuning`: an adapter on the frozen base, on one
// thread or on shards, or all weights. Either ends with a model folder; an adapter is merged for it.
import type { Adapter } from "../../core/adapters/adapter.ts";
import { adapterOptions, adapters } from "../../core/adapters/mod.ts";
import {
  adaptedMaps,
  type BlockParameters,
  disposeParameters,
  loadParameters,
  readParameters,
} from "../../core/adapters/parameters.ts";
import { type BatchPass, batchPass } from "../../core/batch_pass.ts";
import type { RunConfig } from "../../core/config.ts";
import type { Engine } from "../../core/engine/mod.ts";
import { InputError } from "../../core/errors.ts";
import { createFullPolicy, loadWeights, weightBlocks } from "../../core/full_policy.ts";
import { mergedWeights } from "../../core/export/merged_weights.ts";
import type { Scorer } from "../../core/policy.ts";
import type { AdapterConfig, Checkpoint, Run } from "../../data/store/run_folder.ts";
import { type Base, baseOf, openFiles, startEngine } from "../machine.ts";
import type { SessionOptions } from "../protocol.ts";
import { storeModel } from "../store_model.ts";
import { fromTensors, toTensors } from "../stored_adapter.ts";
import { adapterConfigOf, openHost, startingParameters } from "./adapter_run.ts";
import { modelFiles, modelFolderOf, sftCard } from "./sft_store.ts";

interface Session {
  config: RunConfig;
  options: SessionOptions;
}

/** A base model that can be trained. Disposing it frees engine and weights. */
export interface SftModel extends AsyncDisposable {
  engine: Engine;
  base: Base;
  start(place: SftPlace): Promise<SftTrained>;
}

/** Where training starts, and how packs are laid out. */
export interface SftPlace {
  checkpoint: Checkpoint | null;
  rowLength: number; // tokens of a packed row
  maxTokens: number; // of one pass
}

/** What is trained; whoever has it disposes the parameters. */
export interface SftTrained {
  adapter: Adapter | null;
  parameters: BlockParameters[];
  pass: BatchPass;
  scorer: Scorer;
  /** adapter_config.json after `step` steps. */
  adapterConfig(step: number, described: Described): AdapterConfig;
  /** Stores the adapter, where there is one, and the model folder. */
  store(run: Run, stored: Stored): Promise<void>;
}

/** Base and data of a run, as adapter_config.json tells them. */
interface Described {
  base: Base;
  rows: { dimensions: string[]; fingerprint: string };
}

interface Stored {
  adapterConfig: AdapterConfig;
  chatTemplate: string | null; // in place of one that the base lacks
}

/** A way of training; `check` throws InputError for settings that it does not have. */
interface SftTuning {
  check(config: RunConfig): void;
  open(session: Session): Promise<SftModel>;
}

const tunings = {
  adapter: { check: () => {}, open: openAdapted },
  full: { check: refuseShards, open: openFull },
} satisfies Partial<Record<RunConfig["tuning"], SftTuning>>;

/** Names of the ways of training. */
export const sftTunings = Object.keys(tunings) as (keyof typeof tunings)[];

/** The way of training that a configuration asks for; its tuning must be among sftTunings. */
export function sftTuning({ tuning }: RunConfig): SftTuning {
  return tunings[tuning as keyof typeof tunings];
}

async function openAdapted({ config, options }: Session): Promise<SftModel> {
  const host = await openHost(config, options);
  const { base } = host;
  return {
    engine: host.engine,
    base,
    async start({ checkpoint, rowLength, maxTokens }) {
      const maps = adaptedMaps(base.config, config.lora_target_modules);
      const kind = adapterOptions(config, 1);
      const adapter = adapters[config.adapter](kind);
      const initial = startingParameters(adapter, maps, { config, base, checkpoint });
      const parameters = loadParameters(adapter, maps, initial);
      const parts = { kind: config.adapter, options: kind, adapter, parameters };
      try {
        const { pass, scorer } = await host.adapt({ ...parts, rowLength, maxTokens });
        return {
          adapter,
          parameters,
          pass,
          scorer,
          adapterConfig: (step, described) => adapterConfigOf(config, { ...described, maps, step }),
          store: (run, stored) =>
            storeAdapted(run, { ...stored, adapter, parameters, base, config, options }),
        };
      } catch (error) {
        disposeParameters(parameters);
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

/** The adapter as it is, and merged into the base, whose files are opened again for it. */
async function storeAdapted(
  run: Run,
  { adapterConfig, chatTemplate, adapter, parameters, base, config, options }: Session & Stored & {
    adapter: Adapter;
    parameters: BlockParameters[];
    base: Base;
  },
): Promise<void> {
  const values = await readParameters(parameters);
  const card = await sftCard(adapterConfig, config);
  await run.saveAdapter({ tensors: toTensors(values), config: adapterConfig, card });
  const { model_name_or_path: model, revision } = config;
  const opened = await openFiles({ model, revision }, options);
  try {
    if (opened.fingerprint !== base.fingerprint) {
      throw new InputError(
        `Cannot merge the adapter into ${model}: expected the base it was trained on, got one that ` +
          "changed since",
      );
    }
    const read = mergedWeights(opened.weights, { adapter, parameters: values, preference: [1] });
    const dtype = config.dtype === "float32" ? "F32" : "BF16";
    const files = modelFiles({ card, chatTemplate });
    await storeModel(modelFolderOf(run), { opened, files, dtype, read });
  } finally {
    opened.close();
  }
}

function refuseShards({ shards }: RunConfig): void {
  if (shards === 1) return;
  throw new InputError(
    `Cannot train all weights on shards: expected shards 1 with tuning full, got ${shards}`,
  );
}

/** The base's files stay open: its text files are those of the model that this ends with. */
async function openFull({ config, options }: Session): Promise<SftModel> {
  const engine = await startEngine(config, options);
  try {
    const { model_name_or_path: model, revision } = config;
    const opened = await openFiles({ model, revision }, options);
    return {
      engine,
      base: baseOf(opened, { model }),
      async start({ checkpoint, rowLength, maxTokens }) {
        const stored = checkpoint && fromTensors(checkpoint.adapter);
        const total = weightBlocks(opened.config).flat().length;
        let done = 0;
        const parameters = await loadWeights(opened.config, (name) => {
          options.signal.throwIfAborted();
          options.onEvent({ type: "progress", what: "Loading weights", done: ++done, total });
          return stored?.get(name)?.values ?? opened.weights.read(name);
        });
        const policy = createFullPolicy(engine, opened.config, parameters);
        return {
          adapter: null,
          parameters,
          pass: batchPass(policy, { rowLength, maxTokens }),
          scorer: policy,
          adapterConfig: (step, described) => ({
            ...adapterConfigOf(config, { ...described, maps: [], step }),
            format: "panacea-full-model",
          }),
          async store(run, { adapterConfig, chatTemplate }) {
            const card = await sftCard(adapterConfig, config);
            const read = (name: string) => valuesOf(parameters, name);
            const files = modelFiles({ card, chatTemplate });
            await storeModel(modelFolderOf(run), { opened, files, dtype: "F32", read });
          },
        };
      },
      [Symbol.asyncDispose]() {
        opened.close();
        engine.dispose();
        return Promise.resolve();
      },
    };
  } catch (error) {
    engine.dispose();
    throw error;
  }
}

async function valuesOf(parameters: BlockParameters[], name: string): Promise<Float32Array> {
  for (const { names, tensors } of parameters) {
    const tensor = tensors[names.indexOf(name)];
    if (tensor !== undefined) return await tensor.data() as Float32Array;
  }
  throw new TypeError(`Cannot store the model: expected a trained weight, got ${name}`);
}
