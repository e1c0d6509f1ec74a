// The main thread of `deno task serve`: starts the Workers and keeps them, owns the jobs and the
// stored adapters, and ends everything in order. It listens to nothing itself.
import { join } from "node:path";
import { listAdapters } from "../data/store/adapters.ts";
import { JOBS, JobStore } from "../data/store/jobs.ts";
import { reportingStorage } from "../data/store/atomic.ts";
import { describeAdapter } from "../data/store/run_folder.ts";
import { statOrNull } from "../data/files.ts";
import { type ChatThread, keepChatThread } from "./chat_thread.ts";
import { createDownloads } from "./downloads.ts";
import { createJobHistory } from "./job_history.ts";
import { createJobQueue } from "./job_queue.ts";
import { createJobRunner } from "./job_runner.ts";
import { placesOf } from "./places.ts";
import type { SessionEvent } from "./protocol.ts";
import type { ServeConfig } from "./serve_config.ts";
import { createService } from "./supervised_service.ts";
import type { WebInit } from "./threads.ts";
import { keepWebThread } from "./web_thread.ts";

export interface ServerOptions {
  config: ServeConfig;
  /** Wanted of every caller; null only on a loopback address. */
  apiKey: string | null;
  env: (name: string) => string | undefined;
  /** Module of the web Worker and the static files it serves, by path. */
  web: { url: URL; files: WebInit["files"] };
  /** Told what happens to the server itself, in one line. */
  onTrouble: (message: string) => void;
  /** Gets one line of JSON per answered request. */
  onLog?: (line: string) => void;
}

/** A running server. */
export interface Server {
  readonly address: { host: string; port: number };
  /** Rejects when it cannot go on. */
  readonly failed: Promise<never>;
  /** Ends it within `drain_seconds` and a little: streams get their last event, training saves. */
  drain(): Promise<void>;
}

/** After the time for draining: for last events to be sent and cut jobs to be put back. */
const LAST_SECONDS = 2;

/**
 * Starts a server on a runs folder; jobs that wait or were interrupted go on.
 *
 * @throws {BusyError} another server works on that folder
 * @throws {InputError} the address cannot be listened on
 * @throws {StorageError} @throws {CorruptFileError} the folder or its jobs cannot be used
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { env, onTrouble } = options;
  const { runs } = options.config;
  await reportingStorage(runs, 0, () => Deno.mkdir(runs, { recursive: true }));
  const places = await placesOf(options.config, env);
  const config = { ...options.config, runs: places.runs };
  const store = await JobStore.open<SessionEvent>(join(places.runs, JOBS));
  try {
    const history = createJobHistory(store);
    const downloads = createDownloads({ places, env });
    const queue = createJobQueue(store, createJobRunner({ places, downloads, env }), {
      graceSeconds: config.drain_seconds,
      onTrouble,
    });
    const chat: ChatThread = keepChatThread({
      config,
      places,
      env,
      downloads,
      models: await localModels(places.runs),
      onReplaced: (reason) => web?.replaceChat(chat.openPort(), reason),
      onTrouble,
    });
    const parts = { places, store, queue, history, chat: chat.service, onTrouble };
    let web: Awaited<ReturnType<typeof keepWebThread>> | undefined;
    try {
      web = await keepWebThread({
        url: options.web.url,
        init: { config, files: options.web.files, apiKey: options.apiKey },
        service: { ...createService(parts) },
        openChatPort: chat.openPort,
        onTrouble,
        onLog: options.onLog,
      });
    } catch (error) {
      chat.stop();
      throw error;
    }
    queue.wake();
    return {
      address: web.address,
      failed: web.failed,
      async drain() {
        const ending = Promise.all([web.drain(), queue.drain()]);
        chat.drain();
        await settledWithin(ending, config.drain_seconds);
        chat.finish();
        history.close();
        await settledWithin(ending, LAST_SECONDS);
        web.stop();
        chat.stop();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Base models of stored adapters that lie in a folder or file of their own. */
async function localModels(runs: string): Promise<string[]> {
  const models = new Set<string>();
  for (const { id } of await listAdapters(runs)) {
    const described = await describeAdapter(join(runs, id)).catch(() => null);
    const model = described?.config.base_model;
    if (model === undefined || await statOrNull(model) === null) continue;
    models.add(model).add(await Deno.realPath(model)); // a link counts by where it leads
  }
  return [...models];
}

async function settledWithin(work: Promise<unknown>, seconds: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const time = new Promise((resolve) => timer = setTimeout(resolve, seconds * 1000));
  await Promise.race([work, time]).finally(() => clearTimeout(timer));
}
