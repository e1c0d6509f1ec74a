// The Worker of one job: a training run or a front, with the engine's library, ONNX Runtime's where it
// generates, and no network. The supervisor (job_runner.ts) calls `run` over its port and stops it by
// aborting the call.
import type { RunConfig } from "../core/config.ts";
import { createEventQueue } from "../core/generate/event_queue.ts";
import type { NativeLibrary } from "../data/native.ts";
import { runFront } from "./fronts.ts"; // not session.ts: doctor opens ONNX Runtime, which a job may not
import type { FrontRequest, SessionEvent, SessionOptions } from "./protocol.ts";
import { answer } from "./rpc.ts";
import { PortInit, type Variables } from "./threads.ts";
import { runTraining } from "./training.ts";
import { awaitInit } from "./worker_scope.ts";

/** What a job computes. */
export type Work =
  | { kind: "train"; config: RunConfig }
  | { kind: "front"; request: FrontRequest };

/** What `run` is called with. */
export interface JobCall {
  work: Work;
  variables: Variables;
  libtensorflow: NativeLibrary;
  graphs: string;
}

/** What `run` yields; `end` comes last. */
export type JobItem = SessionEvent | {
  type: "end";
  /** Ended early because the call was aborted; a training run can go on from its checkpoint. */
  stopped: boolean;
};

awaitInit(PortInit).then(({ port }) => answer(port, { run }));

function run({ work, variables, libtensorflow, graphs }: JobCall, signal: AbortSignal) {
  const items = createEventQueue<JobItem>(() => {});
  const options: SessionOptions = {
    env: (name) => Object.hasOwn(variables, name) ? variables[name] : undefined,
    libtensorflow,
    graphs,
    onEvent: (event) => items.push(event),
    signal,
  };
  compute(work, options).then(
    (stopped) => {
      items.push({ type: "end", stopped });
      items.close();
    },
    (error) => items.close(error),
  );
  return items;
}

async function compute(work: Work, options: SessionOptions): Promise<boolean> {
  if (work.kind === "train") return (await runTraining(work.config, options)).stopped;
  await runFront(work.request, options);
  return false;
}
