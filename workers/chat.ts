// The chat as a service: from a dialogue, an adapter and λ to a stream of text. One batcher serves
// every model and adapter. Runs in the chat Worker (chat_worker.ts) and in `deno task chat`.
import { createBatcher } from "../core/generate/batcher.ts";
import type { WeightFormat } from "../core/generate/decoder.ts";
import { checkContext, type GenerateEvent } from "../core/generate/request.ts";
import { InputError } from "../core/errors.ts";
import { toPreference } from "../core/preference.ts";
import { baseName } from "../data/store/adapters.ts";
import type { ChatStore, FoundAdapter, FoundBase } from "./chat_adapters.ts";
import { createModels, type HeldModel } from "./chat_models.ts";
import { openDecoder } from "./decoders.ts";
import type { SessionOptions } from "./protocol.ts";
import type { ChatEvent, ChatRequest, ChatService, Gauges } from "./service.ts";
import { checkBase } from "./stored_adapter.ts";

/** How the chat computes and what it may take. */
export interface ChatOptions {
  store: ChatStore;
  /** How base weights are held. */
  format: WeightFormat;
  /** Threads of ONNX Runtime; 0 for one a core. */
  threads: number;
  /** Whether they spin between two products: where nothing else computes beside. */
  spin: boolean;
  /** Chats that share a decode step. */
  maxRows: number;
  /** Chats that may wait for their turn. */
  maxWaiting: number;
  /** Bytes of keys and values of running chats. */
  maxCacheBytes: number;
  /** Bytes of keys and values of prompts and answers met before. */
  prefixCacheBytes: number;
  /** Bytes of weights and adapters held; a model in use is kept beyond it. */
  maxModelBytes: number;
  /** Where weight files are kept. */
  cacheFolder: string;
  env: SessionOptions["env"];
  onEvent?: SessionOptions["onEvent"];
  /** Makes sure that a model lies on this machine before it is opened. */
  presentModel?: (model: { name: string; revision: string }) => Promise<void>;
}

/** A chat service with its end. */
export interface Chat extends ChatService {
  /** Refuses what comes from now on; resolves once everything that was in has ended. */
  close(): Promise<void>;
  /** Ends what waits and what runs, with the reason `shutdown`. */
  finish(): void;
  /** Frees all models, once nothing runs. */
  dispose(): Promise<void>;
}

const DEFAULT_MAX_TOKENS = 512;
/** No dialogue has longer tokens on average: what cannot fit is refused before it is encoded. */
const MOST_CHARACTERS_PER_TOKEN = 32;

/** A chat that has loaded nothing yet. */
export function createChat(options: ChatOptions): Chat {
  const { store, format, threads, spin, cacheFolder, env, onEvent, presentModel } = options;
  const batcher = createBatcher(options);
  const models = createModels({
    maxBytes: options.maxModelBytes,
    onDrop: batcher.forget,
    async open({ model, revision }) {
      await presentModel?.({ name: model, revision });
      const compute = { format, threads, spin, cacheFolder };
      return await openDecoder({ model, revision, ...compute, env, onEvent });
    },
  });
  let preparing = 0; // requests on their way to the batcher

  async function* chat(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatEvent> {
    if (preparing >= batcher.room()) throw batcher.overload();
    const left = new AbortController();
    preparing++;
    let taken: HeldModel | null = null;
    let started: { start: ChatEvent; events: AsyncIterable<GenerateEvent> };
    try {
      const { adapter, base } = await find(store, request);
      taken = await models.take(base);
      started = await begin(request, {
        model: taken,
        adapter,
        signal: AbortSignal.any([signal, left.signal]),
      });
    } catch (error) {
      if (taken) models.release(taken);
      throw error;
    } finally {
      preparing--;
    }
    try {
      yield started.start;
      yield* started.events;
    } finally {
      left.abort();
      models.release(taken);
    }
  }

  async function begin(
    request: ChatRequest,
    { model, adapter, signal }: {
      model: HeldModel;
      adapter: FoundAdapter | null;
      signal: AbortSignal;
    },
  ): Promise<{ start: ChatEvent; events: AsyncIterable<GenerateEvent> }> {
    if (adapter) checkBase(adapter.config, model, adapter.name);
    const dimensions = adapter?.config.dimensions ?? [];
    const preference = adapter ? toPreference(request.preference, dimensions) : [];
    const prompt = encodePrompt(request, model);
    const seed = request.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
    const events = batcher.generate({
      model,
      adapter: adapter && await models.adapterOf(model, adapter),
      preference,
      prompt,
      maxTokens: maxTokensOf(request, { model, prompt }),
      temperature: request.temperature,
      topP: request.top_p,
      seed,
      stop: request.stop,
    }, signal);
    const base = baseName(model.source.model);
    return {
      start: {
        type: "start",
        model: adapter ? `${base}:${adapter.name}` : base,
        adapter: adapter?.name ?? null,
        dimensions,
        preference,
        seed,
        promptTokens: prompt.length,
      },
      events,
    };
  }

  function gauges(): Promise<Gauges> {
    const state = batcher.state();
    const held = models.list();
    return Promise.resolve({
      chat_queue_depth: state.waiting + preparing,
      chat_active_rows: state.rows,
      chat_reserved_bytes: state.reservedBytes,
      chat_model_bytes: held.reduce((sum, { bytes }) => sum + bytes, 0),
      chat_models: held.length,
      chat_prefix_cache_bytes: state.prefixBytes,
      chat_prefix_cache_hits_total: state.prefixHits,
      chat_prefix_cache_misses_total: state.prefixMisses,
      chat_steps_total: state.steps,
      chat_prompt_tokens_total: state.promptTokens,
      chat_tokens_total: state.tokens,
      chat_tokens_per_second: state.tokensPerSecond,
      ...Object.fromEntries(
        Object.entries(state.ended).map(([reason, count]) => [`chat_${reason}_total`, count]),
      ),
    });
  }

  return {
    chat,
    gauges,
    models: () =>
      Promise.resolve(
        models.list().map(({ model, bytes }) => ({ name: baseName(model), format, bytes })),
      ),
    close: () => batcher.close(),
    finish: () => batcher.finish(),
    dispose: () => models.dispose(),
  };
}

/** The adapter asked for and its base, or the base asked for alone. */
async function find(
  store: ChatStore,
  { adapter: name, base, preference }: ChatRequest,
): Promise<{ adapter: FoundAdapter | null; base: FoundBase }> {
  if (name !== null) {
    const adapter = await store.findAdapter(name);
    return { adapter, base: { model: adapter.config.base_model, revision: adapter.revision } };
  }
  if (base === undefined) {
    throw new InputError("Cannot chat: expected an adapter or a base model, got neither");
  }
  if (preference !== null) {
    throw new InputError("Cannot use preference: expected an adapter beside it, got a base model");
  }
  return { adapter: null, base: await store.findBase(base) };
}

function encodePrompt({ messages }: ChatRequest, { tokenizer, decoder }: HeldModel): number[] {
  const characters = messages.reduce((sum, { content }) => sum + content.length, 0);
  if (characters > MOST_CHARACTERS_PER_TOKEN * decoder.maxPositions) {
    throw new InputError(
      "Cannot generate: expected messages that fit the model's context of " +
        `${decoder.maxPositions} tokens, got ${characters} characters`,
    );
  }
  return tokenizer.encode(tokenizer.renderPrompt(messages));
}

/** The limit asked for, or what the context leaves of the usual one. */
function maxTokensOf(
  request: ChatRequest,
  { model: { decoder }, prompt }: { model: HeldModel; prompt: number[] },
): number {
  const left = Math.max(1, decoder.maxPositions - prompt.length);
  const maxTokens = request.max_tokens ?? Math.min(DEFAULT_MAX_TOKENS, left);
  checkContext(decoder, { promptTokens: prompt.length, maxTokens });
  return maxTokens;
}
