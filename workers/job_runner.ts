// Computes one job of the queue: what it needs is brought onto the machine, then a Worker of its own
// does the work with permissions for this job alone.
import { resolve } from "node:path";
import { RunConfig } from "../core/config.ts";
import { frameworkPath } from "../core/engine/libtensorflow.ts";
import { loadQuietly } from "../core/engine/quiet.ts";
import { BuiltinModel } from "../data/builtin/mod.ts";
import { namedDatasets } from "../data/datasets/mod.ts";
import { parseSpec } from "../data/datasets/spec.ts";
import { statOrNull } from "../data/files.ts";
import type { NativeLibrary } from "../data/native.ts";
import { resolveAdapter } from "../data/store/adapters.ts";
import type { Job } from "../data/store/job.ts";
import { describeAdapter, loadConfig } from "../data/store/run_folder.ts";
import type { Downloads } from "./downloads.ts";
import type { JobCall, JobItem, Work } from "./job_worker.ts";
import type { RunJob } from "./job_queue.ts";
import { newRun } from "./new_run.ts";
import { jobPermissions, type Places } from "./permissions.ts";
import { computeVariables } from "./places.ts";
import { connect } from "./rpc.ts";
import { CreateRun, FrontJob } from "./service.ts";
import { frontRequest } from "./service_fronts.ts";
import { openLine, startThread } from "./thread.ts";

/** What every job of a server shares. */
export interface JobRunnerOptions {
  places: Places;
  downloads: Downloads;
  env: (name: string) => string | undefined;
  /** Module of the Worker. */
  url?: URL;
}

const JOB_WORKER = new URL("./job_worker.ts", import.meta.url);

/** A function that computes jobs in Workers. */
export function createJobRunner(
  { places, downloads, env, url = JOB_WORKER }: JobRunnerOptions,
): RunJob {
  return async (job, { signal, cut, onEvent }) => {
    const { work, model, revision, datasets } = await workOf(job, places);
    await downloads.model({ name: model, revision }, { onEvent, signal });
    const { engine } = work.kind === "train" ? work.config : work.request;
    const libtensorflow: NativeLibrary = engine === "wasm"
      ? { missing: "not asked for" }
      : await downloads.libtensorflow({ onEvent, signal });
    if (!("missing" in libtensorflow)) loadQuietly(frameworkPath(libtensorflow.directory));
    const thread = await startThread(url, {
      name: job.kind,
      permissions: jobPermissions(places, {
        adapter: job.adapter,
        inputs: await inputsOf(model, datasets),
        libtensorflow: "missing" in libtensorflow ? null : libtensorflow.directory,
      }),
    });
    const stopThread = () => thread.stop();
    cut.addEventListener("abort", stopThread);
    try {
      const line = openLine();
      thread.watch(line);
      thread.post({ type: "init", port: line.far }, [line.far]);
      const client = connect(line.near);
      thread.ended.then((reason) => client.fail(new Error(`Cannot go on: ${reason}`)));
      const call: JobCall = { work, variables: computeVariables(env), libtensorflow };
      for await (const item of client.stream<JobItem>("run", call, signal)) {
        if (item.type === "end") return { stopped: item.stopped };
        onEvent(item);
      }
      throw new Error("Cannot go on: the job's thread ended without a result");
    } finally {
      cut.removeEventListener("abort", stopThread);
      thread.stop();
    }
  };
}

interface JobWork {
  work: Work;
  model: string;
  revision: string;
  datasets: string[];
}

async function workOf({ kind, adapter, request }: Job, places: Places): Promise<JobWork> {
  if (kind === "train") {
    const { config } = await newRun(CreateRun.parse(request), places);
    const { model_name_or_path: model, revision, dataset, eval_dataset } = config;
    const datasets = [dataset, ...(eval_dataset === undefined ? [] : [eval_dataset])];
    return { work: { kind, config }, model, revision, datasets };
  }
  const folder = await resolveAdapter(places.runs, adapter);
  const run = RunConfig.parse(await loadConfig(folder) ?? {});
  const { config } = await describeAdapter(folder);
  return {
    work: { kind, request: await frontRequest(FrontJob.parse(request), { folder, run }) },
    model: config.base_model,
    revision: run.revision,
    datasets: [run.eval_dataset ?? run.dataset],
  };
}

/** The files and folders that a job reads besides the runs and the caches. */
async function inputsOf(model: string, datasets: string[]): Promise<string[]> {
  const isLocal = model !== BuiltinModel.name && await statOrNull(model) !== null;
  const files = datasets.filter((spec) => !Object.hasOwn(namedDatasets, spec))
    .flatMap((spec) => parseSpec(spec).flatMap((part) => part.files));
  const paths = [...(isLocal ? [model] : []), ...files].map((path) => resolve(path));
  // A link counts by where it leads; a missing file is told by the job itself.
  return await Promise.all(paths.map((path) => Deno.realPath(path).catch(() => path)))
    .then((real) => [...new Set([...paths, ...real])]);
}
