// The models that the chat holds, each with the adapters it was asked for. What was used longest
// ago goes when memory is short; nothing goes while it is in use.
import type { DecodeAdapter } from "../core/generate/decoder.ts";
import type { TextModel } from "../core/generate/request.ts";
import { openAdapter } from "../data/store/run_folder.ts";
import type { FoundAdapter, FoundBase } from "./chat_adapters.ts";
import type { OpenedDecoder } from "./decoders.ts";
import { fromTensors, restoreAdapter } from "./stored_adapter.ts";

/** A model in memory. */
export interface HeldModel extends TextModel, OpenedDecoder {
  tokenizer: OpenedDecoder["tokenizer"];
  /** What it was opened as. */
  source: FoundBase;
}

/** Models within a limit of memory. */
export interface Models {
  /** A model, opened where it is not held; to be released as often as it was taken. */
  take(source: FoundBase): Promise<HeldModel>;
  release(model: HeldModel): void;
  /** An adapter's parameters for a model that is taken. Throws InputError where they do not fit. */
  adapterOf(model: HeldModel, found: FoundAdapter): Promise<DecodeAdapter>;
  /** The models held, with the memory of weights, adapters, keys and values. */
  list(): { model: string; bytes: number }[];
  /** Frees everything; nothing may be in use. */
  dispose(): Promise<void>;
}

interface Holding {
  model: Promise<HeldModel>;
  opened: HeldModel | null;
  users: number;
  adapters: Map<string, Promise<DecodeAdapter>>; // least recently used first
  adapterBytes: number;
}

/** Share of the memory that one model's adapters may take. */
const ADAPTER_SHARE = 1 / 4;

/** `onDrop` is told the id of each model that is dropped. */
export function createModels({ open, maxBytes, onDrop }: {
  open: (source: FoundBase) => Promise<OpenedDecoder>;
  maxBytes: number;
  onDrop: (id: string) => void;
}): Models {
  const holdings = new Map<string, Holding>(); // least recently used first
  let opened = 0;

  function hold(source: FoundBase, key: string): Holding {
    const id = `${source.model}#${++opened}`;
    const holding: Holding = {
      model: open(source).then((parts) => holding.opened = { ...parts, id, source }),
      opened: null,
      users: 0,
      adapters: new Map(),
      adapterBytes: 0,
    };
    // A model that could not be opened is tried again by the next who asks for it.
    holding.model.catch(() => holdings.get(key) === holding && holdings.delete(key));
    return holding;
  }

  function holdingOf({ source }: HeldModel): Holding {
    const holding = holdings.get(keyOf(source));
    if (!holding) throw new TypeError(`Cannot use ${source.model}: expected it to be taken`);
    return holding;
  }

  /** Drops models until the rest fits, as far as they are idle. */
  function makeRoom(): void {
    let bytes = [...holdings.values()].reduce((sum, holding) => sum + bytesOf(holding), 0);
    for (const [key, holding] of holdings) {
      if (bytes <= maxBytes) return;
      // A cancelled chat may still be in a step that was begun: then its sequence is still there.
      const idle = holding.users === 0 && holding.opened?.decoder.live.sequences === 0;
      if (!holding.opened || !idle) continue;
      bytes -= bytesOf(holding);
      holdings.delete(key);
      onDrop(holding.opened.id);
      void holding.opened.decoder.dispose();
    }
  }

  async function loadAdapter(holding: Holding, { model, found }: {
    model: HeldModel;
    found: FoundAdapter;
  }): Promise<DecodeAdapter> {
    const { tensors, config, parametersHash } = await openAdapter(found.folder);
    const adapter = model.decoder.loadAdapter({
      id: adapterKey({ config, parametersHash }),
      adapter: restoreAdapter(config),
      objectives: config.dimensions.length,
      parameters: fromTensors(tensors),
    });
    holding.adapterBytes += adapter.bytes;
    return adapter;
  }

  async function dropAdapters(holding: Holding): Promise<void> {
    for (const [key, adapter] of holding.adapters) {
      if (holding.adapterBytes <= maxBytes * ADAPTER_SHARE || holding.adapters.size === 1) return;
      holding.adapters.delete(key); // chats that use it keep it until they end
      holding.adapterBytes -= (await adapter).bytes;
    }
  }

  return {
    async take(source) {
      const key = keyOf(source);
      const holding = holdings.get(key) ?? hold(source, key);
      holdings.delete(key);
      holdings.set(key, holding);
      holding.users++;
      try {
        const model = await holding.model;
        makeRoom();
        return model;
      } catch (error) {
        holding.users--;
        throw error;
      }
    },

    release(model) {
      holdingOf(model).users--;
      makeRoom();
    },

    async adapterOf(model, found) {
      const holding = holdingOf(model);
      const key = adapterKey(found);
      const adapter = holding.adapters.get(key) ?? loadAdapter(holding, { model, found });
      holding.adapters.delete(key);
      holding.adapters.set(key, adapter);
      try {
        const loaded = await adapter;
        await dropAdapters(holding);
        return loaded;
      } catch (error) {
        if (holding.adapters.get(key) === adapter) holding.adapters.delete(key);
        throw error;
      }
    },

    list: () =>
      [...holdings.values()].flatMap((holding) =>
        holding.opened ? [{ model: holding.opened.source.model, bytes: bytesOf(holding) }] : []
      ),

    async dispose() {
      for (const holding of holdings.values()) {
        await (await holding.model.catch(() => null))?.decoder.dispose();
      }
      holdings.clear();
    },
  };
}

function keyOf({ model, revision }: FoundBase): string {
  return `${model}\n${revision}`;
}

/** Equal only for adapters that compute the same. */
function adapterKey(
  { config, parametersHash }: Pick<FoundAdapter, "config" | "parametersHash">,
): string {
  const { adapter, lora_r, lora_alpha, lora_scaling_factor, dimensions, members } = config;
  const scale = `${lora_alpha} ${lora_scaling_factor}`;
  const kind = [adapter, lora_r, scale, dimensions.length, JSON.stringify(members)];
  return [parametersHash, ...kind].join(" ");
}

function bytesOf({ opened, adapterBytes }: Holding): number {
  return opened ? opened.decoder.bytes + opened.decoder.live.bytes + adapterBytes : 0;
}
