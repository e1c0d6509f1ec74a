// A Service and a ChatService that keep everything in memory and answer the same every time: what the
// tests of the routes stand on. The supervisor's and the chat worker's own tests are elsewhere.
import { ConflictError, InputError, NotFoundError, OverloadedError } from "../../core/errors.ts";
import { compareFronts } from "../../core/front/comparison.ts";
import {
  comparisonCsv,
  comparisonSvg,
  distributionsCsv,
  distributionsSvg,
  evolutionSvg,
  frontCsv,
  frontSvg,
} from "../../core/front/render.ts";
import { type FrontReport, summarizeFront } from "../../core/front/report.ts";
import { latticeGrid, validatePreference } from "../../core/preference.ts";
import type {
  AdapterDetails,
  AdapterSummary,
  ChatEvent,
  ChatRequest,
  ChatService,
  FrontJob,
  Job,
  JobEvent,
  Service,
} from "../../workers/service.ts";

/** Adapters that are stored: two dimensions and three; `0` is the name that fuzzers try first. */
const dimensionsOf: Record<string, string[]> = {
  tiny: ["helpful", "harmless"],
  three: ["helpful", "harmless", "humorous"],
  "0": ["helpful", "harmless"],
};

/** A service that holds three adapters on one base, and one front (of `tiny`, 11 points). */
export interface MemoryService extends Service {
  readonly jobs: Map<string, Job>;
  /** Adds an event to a job's history, for those that watch it. */
  tell(id: string, event: JobEvent["event"]): void;
}

export interface MemoryServiceOptions {
  /** Jobs are done as soon as they are queued. */
  instant?: boolean;
}

export function memoryService({ instant = false }: MemoryServiceOptions = {}): MemoryService {
  const adapters = new Map(Object.keys(dimensionsOf).map((id) => [id, summary(id)]));
  const jobs = new Map<string, Job>();
  const histories = new Map<string, JobEvent[]>();
  const stored = new Set([frontKey({ adapter: "tiny", grid: 11, bootstrap: 1000, seed: 42 })]);
  let changed = Promise.withResolvers<void>();

  function tell(id: string, event: JobEvent["event"]): void {
    const history = histories.get(id) ?? [];
    history.push({ seq: history.length + 1, time: NOW, event });
    histories.set(id, history);
    const job = find(id);
    if (event.type === "state") {
      const ended = ["done", "failed", "cancelled"].includes(event.state) ? NOW : null;
      jobs.set(id, { ...job, state: event.state, error: event.error, ended });
      if (event.state === "done" && job.kind === "front") {
        stored.add(frontKey(job.request as unknown as FrontJob));
      }
    }
    changed.resolve();
    changed = Promise.withResolvers();
  }
  function find(id: string): Job {
    const job = jobs.get(id);
    if (job === undefined) throw new NotFoundError(`Cannot find job: expected one, got "${id}"`);
    return job;
  }
  function add(kind: Job["kind"], adapter: string, request: object): Job {
    const id = `job-${jobs.size + 1}`;
    const times = { created: NOW, started: null, ended: null };
    const rest = { progress: null, error: null, request: request as Job["request"] };
    jobs.set(id, { id, kind, adapter, state: "queued", ...times, ...rest });
    tell(id, { type: "state", state: "queued", error: null });
    const queued = find(id);
    if (instant) tell(id, { type: "state", state: "done", error: null });
    return queued;
  }
  function findAdapter(id: string): AdapterSummary {
    const adapter = adapters.get(id);
    if (adapter === undefined) {
      throw new NotFoundError(`Cannot find adapter: expected one, got ${JSON.stringify(id)}`);
    }
    return adapter;
  }

  return {
    jobs,
    tell,
    listAdapters: () => Promise.resolve([...adapters.values()]),
    getAdapter: async (id) => await details(findAdapter(id)),
    deleteAdapter: async (id) => {
      await Promise.resolve(findAdapter(id));
      adapters.delete(id);
    },
    listModels: () =>
      Promise.resolve([
        { name: "world", adapters: [...adapters.keys()], loaded: true, format: "int8", bytes: 1 },
        { name: "bare", adapters: [], loaded: false, format: null, bytes: 0 },
      ]),
    front: async (request) => {
      await Promise.resolve(findAdapter(request.adapter));
      if (!stored.has(frontKey(request))) {
        return { type: "job", job: add("front", request.adapter, request) };
      }
      const report = frontReport(request);
      const rewards = report.distributions &&
        { svg: distributionsSvg(report), csv: distributionsCsv(report) };
      const drawn = { svg: frontSvg(report), csv: frontCsv(report), ...rewards && { rewards } };
      return { type: "front", report, ...drawn };
    },
    figure: async ({ view, compare, ...request }) => {
      await Promise.resolve();
      const parts: [string, FrontJob][] = view === "evolution"
        ? [["step 10", request], ["step 5", { ...request, checkpoint: 5 }]]
        : [request.adapter, ...compare].map((adapter) => [adapter, { ...request, adapter }]);
      for (const [, part] of parts) findAdapter(part.adapter);
      const missing = parts.map(([, part]) => part).filter((part) => !stored.has(frontKey(part)));
      const [first] = missing.map((part) => add("front", part.adapter, part));
      if (first !== undefined) return { type: "job", job: first };
      const comparison = compareFronts(
        parts.map(([name, part]) => ({ name, report: frontReport(part) })),
      );
      const draw = { comparison: comparisonSvg, evolution: evolutionSvg }[view];
      return { type: "figure", comparison, svg: draw(comparison), csv: comparisonCsv(comparison) };
    },
    createRun: async (request) => {
      await Promise.resolve();
      if (adapters.has(request.name)) {
        throw new ConflictError(`Cannot start run: expected a new name, got "${request.name}"`);
      }
      return add("train", request.name, request);
    },
    listJobs: () => Promise.resolve([...jobs.values()].reverse()),
    getJob: async (id) => await Promise.resolve(find(id)),
    cancelJob: async (id) => {
      await Promise.resolve();
      if (find(id).ended !== null) throw new ConflictError("Cannot cancel: the job has ended");
      tell(id, { type: "state", state: "cancelled", error: null });
      return find(id);
    },
    resumeJob: async (id) => {
      await Promise.resolve();
      if (!["failed", "cancelled"].includes(find(id).state)) {
        throw new ConflictError("Cannot resume: the job has not failed");
      }
      tell(id, { type: "state", state: "queued", error: null });
      return find(id);
    },
    async *watchJob({ id, after }, signal) {
      let seen = after;
      const aborted = new Promise<void>((resolve) =>
        signal.addEventListener("abort", () => resolve())
      );
      while (!signal.aborted) {
        const wait = changed.promise;
        for (const event of (histories.get(id) ?? []).slice(seen)) {
          seen = event.seq;
          yield event;
        }
        if (find(id).ended !== null) return;
        await Promise.race([wait, aborted]);
      }
    },
    gauges: () => Promise.resolve({ jobs_queued: jobs.size }),
  };
}

const NOW = "2026-11-23T10:00:00.000Z";

/** A chat whose answer says what it was asked; with the numbers that tests look at. */
export interface MemoryChat extends ChatService {
  /** Generations that run now. */
  readonly running: number;
  /** Texts sent since the start. */
  readonly sent: number;
  readonly asked: ChatRequest[];
}

export interface MemoryChatOptions {
  /** Waited for before each piece of text. */
  pace?: () => Promise<void>;
  /** More chats at once are refused. */
  queue?: number;
  /** Replaces the answer. */
  pieces?: (request: ChatRequest) => Iterable<string>;
  contextTokens?: number;
}

export function memoryChat(
  { pace = () => Promise.resolve(), queue = 100, pieces = sayBack, contextTokens = 1024 }:
    MemoryChatOptions = {},
): MemoryChat {
  let [running, sent] = [0, 0];
  const asked: ChatRequest[] = [];
  return {
    get running() {
      return running;
    },
    get sent() {
      return sent;
    },
    asked,
    async *chat(request, signal): AsyncGenerator<ChatEvent> {
      const { adapter, base = "world", max_tokens = 512, seed = 7 } = request;
      const dimensions = adapter === null ? [] : dimensionsOf[adapter];
      if (dimensions === undefined) throw new NotFoundError("Cannot chat: no such adapter");
      if (max_tokens > contextTokens) {
        throw new InputError(
          `Cannot chat: expected max_tokens of at most ${contextTokens}, got ${max_tokens}`,
        );
      }
      if (running >= queue) {
        throw new OverloadedError("Cannot chat: the queue is full", { retryAfterSeconds: 3 });
      }
      running++;
      asked.push(request);
      try {
        const promptTokens = request.messages.length;
        const preference = readWeights(request.preference, dimensions);
        const model = adapter === null ? base : `${base}:${adapter}`;
        yield { type: "start", model, adapter, dimensions, preference, seed, promptTokens };
        let completionTokens = 0;
        for (const text of pieces(request)) {
          await pace();
          if (signal.aborted) return;
          if (completionTokens === max_tokens) break;
          completionTokens++;
          sent++;
          yield { type: "text", text };
        }
        const reason = completionTokens === max_tokens ? "length" : "stop";
        yield { type: "end", reason, promptTokens, cachedTokens: 0, completionTokens };
      } finally {
        running--;
      }
    },
    gauges: () => Promise.resolve({ chat_running: running }),
    models: () => Promise.resolve([{ name: "world", format: "int8", bytes: 1 }]),
  };
}

/** Words of the answer: what was said, under which λ. */
function* sayBack({ messages, preference, seed }: ChatRequest): Iterable<string> {
  yield* ["You ", "said ", JSON.stringify(messages.at(-1)?.content), " under "];
  yield `${JSON.stringify(preference)} with ${seed ?? "any"} seed`;
}

function readWeights(preference: ChatRequest["preference"], dimensions: string[]): number[] {
  if (preference === null) return dimensions.map(() => 1 / dimensions.length);
  const values = Array.isArray(preference)
    ? preference
    : dimensions.map((name) => preference[name] ?? NaN);
  return validatePreference(values, dimensions);
}

function summary(id: string): AdapterSummary {
  return {
    id,
    base: "world",
    dimensions: dimensionsOf[id] ?? [],
    steps: 10,
    objective: "dpo",
    aggregation: "ls",
    finished: true,
    examples: ["How do I boil an egg?"],
  };
}

function details(adapter: AdapterSummary): Promise<AdapterDetails> {
  return Promise.resolve({
    ...adapter,
    card: "# A card\n\nMade from /data/models/world/model.safetensors.\n",
    config: {
      format: "panacea-svd-lora",
      version: 1,
      base_model: "/data/models/world",
      base_fingerprint: "b",
      template_fingerprint: "t",
      dimensions: adapter.dimensions,
      adapter: "svd_lora",
      lora_r: 8,
      lora_alpha: 512,
      target_modules: "layers.",
      modules: ["layers.0.q"],
      steps: 10,
      objective: "dpo",
      aggregation: "ls",
      beta: 0.1,
      dataset_fingerprint: "d",
    },
    run: null,
    fronts: {},
    metrics: [{ step: 1, loss: 0.69 }],
  });
}

function frontKey(request: FrontJob): string {
  return JSON.stringify(Object.entries(request).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * A front on which each dimension's value is its weight, over four test prompts; of a checkpoint or
 * of another adapter than `tiny`, nine tenths of it.
 */
function frontReport(
  { adapter, grid, seed, metric = "implicit_accuracy", checkpoint, limit }: FrontJob,
): FrontReport {
  const dimensions = dimensionsOf[adapter] ?? [];
  const preferences = latticeGrid(dimensions.length, grid);
  const factor = checkpoint === undefined && adapter === "tiny" ? 1 : 0.9;
  return summarizeFront({
    adapter,
    metric,
    dimensions,
    preferences,
    outcomes: dimensions.map((_, i) => ({
      values: preferences.map((preference) => Array(4).fill(factor * (preference[i] ?? 0))),
    })),
    referencePoint: dimensions.map(() => 0),
    ...metric === "reward" && { initial: dimensions.map(() => [0, 0.1, 0.2, 0.3]) },
    settings: { metric, dimensions, grid, limit: limit ?? null, seed, step: checkpoint ?? 10 },
  }, { seed, resamples: 0 });
}
