// Computes one job of the queue: what it needs is brought onto the machine, then a Worker of its own
// does the work with permissions for this job alone.
import { resolve } from "node:path";
import { RunConfig } from "../core/config.ts";
import { frameworkPath } from "../core/engine/libtensorflow.ts";
import { loadQuietly } from "../core/engine/quiet.ts";
import { metrics } from "../core/front/report.ts";
import { BuiltinModel } from "../data/builtin/mod.ts";
import { namedDataset } from "../data/datasets/mod.ts";
import { readmesOf } from "../data/datasets/licenses.ts";
import { localPlace } from "../data/datasets/places.ts";
import { parseSpec } from "../data/datasets/spec.ts";
import { statOrNull } from "../data/files.ts";
import { isWithin } from "../data/files_root.ts";
import type { NativeLibrary } from "../data/native.ts";
import { resolveAdapter } from "../data/store/adapters.ts";
import type { Job } from "../data/store/job.ts";
import { describeAdapter, loadConfig } from "../data/store/run_folder.ts";
import { type Downloads, offline } from "./downloads.ts";
import { localDataset, withLocalData } from "./hub_data.ts";
import type { JobCall, JobItem, Work } from "./job_worker.ts";
import type { RunJob } from "./job_queue.ts";
import { adapterFolder, chooseMetric, evaluationData, rewardSpec } from "./front_settings.ts";
import { newRun } from "./new_run.ts";
import { jobPermissions, type Places } from "./permissions.ts";
import { computeVariables } from "./places.ts";
import { rewardNeeds } from "./reward_names.ts";
import { connect } from "./rpc.ts";
import { CreateRun, FrontJob } from "./service.ts";
import { frontRequest, wantedFront } from "./service_fronts.ts";
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
    const { work: asked, model, revision, datasets, rewards, generates } = await workOf(
      job,
      places,
    );
    const needs = await rewardNeeds(rewards);
    for (const wanted of [{ name: model, revision }, ...needs.models]) {
      await downloads.model(wanted, { onEvent, signal });
    }
    for (const name of needs.classifiers) await downloads.classifier(name, { onEvent, signal });
    for (const spec of datasets) await downloads.dataset(spec, { onEvent, signal });
    const local = { env: offline(env), onEvent };
    const work = await withData(asked, local);
    const { engine } = work.kind === "train" ? work.config : work.request;
    const libtensorflow: NativeLibrary = engine === "wasm"
      ? { missing: "not asked for" }
      : await downloads.libtensorflow({ onEvent, signal });
    if (!("missing" in libtensorflow)) loadQuietly(frameworkPath(libtensorflow.directory));
    const thread = await startThread(url, {
      name: job.kind,
      permissions: jobPermissions(places, {
        adapter: job.adapter,
        inputs: [
          ...await inputsOf(model, {
            datasets: await Promise.all(datasets.map((spec) => localDataset(spec, local))),
            files: places.files,
          }),
          ...await realPaths(needs.inputs),
        ],
        generates,
        classifies: needs.classifiers.length > 0,
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
      const { graphs } = places;
      const call: JobCall = { work, variables: computeVariables(env), libtensorflow, graphs };
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
  /** The option reward_model, each source by where it lies. */
  rewards: string | undefined;
  /** Whether it generates text. */
  generates: boolean;
}

/** Objectives that learn from what the policy generates. */
const GENERATING: Partial<Record<RunConfig["objective"], boolean>> = { ppo: true };

async function workOf({ kind, adapter, request }: Job, places: Places): Promise<JobWork> {
  if (kind === "train") {
    const { config } = await newRun(CreateRun.parse(request), places);
    const { model_name_or_path: model, revision, dataset, eval_dataset, ptx_dataset } = config;
    const datasets = [dataset, eval_dataset, ptx_dataset].filter((spec) => spec !== undefined);
    const generates = GENERATING[config.objective] ?? false;
    const rewards = generates ? config.reward_model : undefined;
    return { work: { kind, config }, model, revision, datasets, rewards, generates };
  }
  const folder = await resolveAdapter(places.runs, adapter);
  const stored = await loadConfig(folder);
  const run = RunConfig.parse(stored ?? {});
  const wanted = await wantedFront(FrontJob.parse(request), { folder, places });
  const { config } = await describeAdapter(adapterFolder(wanted));
  const { dimensions } = config;
  const data = await evaluationData(wanted, { run: stored, dimensions });
  const metric = chooseMetric(data.dataset, wanted.metric, config.objective);
  const { generated: generates } = metrics[metric];
  return {
    work: { kind, request: await frontRequest(wanted, run) },
    model: config.base_model,
    revision: run.revision,
    datasets: [run.eval_dataset ?? run.dataset],
    rewards: generates ? rewardSpec(wanted, { run: stored, data }) : undefined,
    generates,
  };
}

/** The same work on data that lie on the disk: a job knows nothing of the hub. */
async function withData(work: Work, options: Parameters<typeof withLocalData>[1]): Promise<Work> {
  return work.kind === "train"
    ? { ...work, config: await withLocalData(work.config, options) }
    : { ...work, request: await withLocalData(work.request, options) };
}

/**
 * The files and folders that a job reads besides the runs and the caches; the data sets' READMEs among
 * them where they lie in the folder that requests may name files of.
 */
async function inputsOf(
  model: string,
  { datasets, files: root }: { datasets: string[]; files: string | null },
): Promise<string[]> {
  const isLocal = model !== BuiltinModel.name && await statOrNull(model) !== null;
  const places = datasets.filter((spec) => namedDataset(spec) === null)
    .flatMap((spec) => parseSpec(spec).flatMap((part) => part.files));
  const files = await Promise.all(places.map(async (place) => (await localPlace(place)).path));
  const readmes = (await Promise.all(places.map(readmesOf))).flat();
  return [
    ...await realPaths([...(isLocal ? [model] : []), ...files]),
    ...(await realPaths(readmes, { within: root })),
  ];
}

/**
 * Paths with what they lead to: a link counts by that; a missing file is told by the job itself. With
 * `within`, those that lie in that folder and lead nowhere else; none where it is null.
 */
async function realPaths(
  given: string[],
  { within }: { within?: string | null } = {},
): Promise<string[]> {
  const found = new Set<string>();
  for (const path of given.map((path) => resolve(path))) {
    const pair = [path, await Deno.realPath(path).catch(() => path)];
    const isWanted = within === undefined ||
      (within !== null && pair.every((place) => isWithin(within, place)));
    if (isWanted) pair.forEach((place) => found.add(place));
  }
  return [...found];
}
