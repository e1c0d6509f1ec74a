// The Service as the supervisor answers it to the web Worker: adapters and fronts out of the store,
// runs and fronts that are to be computed as jobs, and what is loaded out of the chat Worker.
import { basename } from "node:path";
import { BusyError, ConflictError } from "../core/errors.ts";
import { compareFronts } from "../core/front/comparison.ts";
import { BuiltinModel } from "../data/builtin/mod.ts";
import { statOrNull } from "../data/files.ts";
import {
  listAdapters,
  readAdapter,
  removeAdapter,
  resolveAdapter,
} from "../data/store/adapters.ts";
import type { Job } from "../data/store/job.ts";
import type { JobStore } from "../data/store/jobs.ts";
import type { JobHistory } from "./job_history.ts";
import type { JobQueue } from "./job_queue.ts";
import { newRun } from "./new_run.ts";
import type { Places } from "./permissions.ts";
import type { SessionEvent } from "./protocol.ts";
import { comparedParts, figures, namedFronts, stepParts } from "./front_figures.ts";
import type { ChatService, FrontJob, Gauges, ModelSummary, Service } from "./service.ts";
import { equalFrontJob, storedFront, wantedFront } from "./service_fronts.ts";

/** What the service is made of. */
export interface ServiceParts {
  places: Pick<Places, "runs" | "files">;
  store: JobStore<SessionEvent>;
  queue: Pick<JobQueue, "wake" | "cancel">;
  history: JobHistory;
  chat: Pick<ChatService, "models">;
  /** Told of adapters that cannot be listed, in one sentence. */
  onTrouble: (message: string) => void;
}

/** The service over a runs folder. */
export function createService(
  { places, store, queue, history, chat, onTrouble }: ServiceParts,
): Service {
  const { runs } = places;
  const started = performance.now();

  const summaries = () =>
    listAdapters(runs, {
      onDamaged: (id, error) => onTrouble(`Left out adapter ${id}: ${error.message}`),
    });

  function enqueue(job: Parameters<typeof store.create>[0]): Job {
    const created = store.create(job);
    queue.wake();
    return store.get(created.id);
  }

  /** The job that measures a front: the one that waits or runs already, or a new one. */
  function measure(request: FrontJob): Job {
    const { adapter } = request;
    return equalFrontJob(request, store.active(adapter)) ??
      enqueue({ kind: "front", adapter, request });
  }

  return {
    listAdapters: summaries,
    getAdapter: (id) => readAdapter(runs, id),

    async deleteAdapter(id) {
      const [job] = store.active(id);
      if (job !== undefined) {
        throw new BusyError(
          `Cannot delete adapter ${id}: expected no job to use it, got job ${job.id} ${job.state}`,
        );
      }
      await removeAdapter(runs, id);
    },

    async listModels() {
      const loaded = await chat.models();
      const models = new Map<string, ModelSummary>();
      const model = (name: string) => {
        const known = models.get(name) ??
          { name, adapters: [], loaded: false, format: null, bytes: 0 };
        models.set(name, known);
        return known;
      };
      model(BuiltinModel.name);
      for (const { id, base } of await summaries()) model(base).adapters.push(id);
      for (const { name, format, bytes } of loaded) {
        Object.assign(model(name), { loaded: true, format, bytes });
      }
      return [...models.values()];
    },

    async front(request) {
      const folder = await resolveAdapter(runs, request.adapter);
      const stored = await storedFront(await wantedFront(request, { folder, places }));
      if (stored !== null) return { type: "front", ...stored };
      return { type: "job", job: measure(request) };
    },

    async figure({ view, compare, ...request }) {
      const folder = await resolveAdapter(runs, request.adapter);
      const others: string[] = [];
      for (const id of compare) others.push(await resolveAdapter(runs, id));
      const wanted = await wantedFront(request, { folder, places });
      const parts = view === "evolution"
        ? await stepParts(wanted)
        : await comparedParts(wanted, others);
      const [first] = parts.filter(({ report }) => report === null).map(({ adapter, checkpoint }) =>
        measure({
          ...request,
          adapter: basename(adapter),
          ...checkpoint !== undefined && { checkpoint },
        })
      );
      if (first !== undefined) return { type: "job", job: first };
      const comparison = compareFronts(namedFronts(parts));
      const { comparisonCsv } = await import("../core/front/render.ts");
      const svg = await figures[view](comparison);
      return { type: "figure", comparison, svg, csv: comparisonCsv(comparison) };
    },

    async createRun(asked) {
      const { config, request } = await newRun(asked, places);
      const exists = await statOrNull(config.output_dir) !== null;
      // Nothing is awaited between this look and the new job: of two equal names one is refused.
      if (exists || store.active(request.name).length > 0) {
        throw new ConflictError(
          `Cannot start run ${request.name}: expected a name that is free, got one that is taken`,
        );
      }
      return enqueue({ kind: "train", adapter: request.name, request });
    },

    listJobs: () => Promise.try(() => store.list()),
    getJob: (id) => Promise.try(() => store.get(id)),
    cancelJob: (id) => Promise.try(() => queue.cancel(id)),

    resumeJob: (id) =>
      Promise.try(() => {
        const { adapter } = store.get(id);
        const [other] = store.active(adapter);
        if (other !== undefined && other.id !== id) {
          throw new ConflictError(
            `Cannot resume job ${id}: expected no other job of ${adapter}, got job ${other.id}`,
          );
        }
        store.requeue(id);
        queue.wake();
        return store.get(id);
      }),

    watchJob: (request, signal) => history.watch(request, signal),

    gauges: () =>
      Promise.try(() => {
        const states = store.active().map(({ state }) => state);
        const gauges: Gauges = {
          uptime_seconds: (performance.now() - started) / 1000,
          resident_memory_bytes: Deno.memoryUsage().rss,
          jobs_queued: states.filter((state) => state === "queued").length,
          jobs_running: states.filter((state) => state === "running").length,
        };
        return gauges;
      }),
  };
}
