// A job Worker for keepers_test.ts: tells one event of its work, then dies.
import type { JobItem } from "../../workers/job_worker.ts";
import { answer } from "../../workers/rpc.ts";
import { PortInit } from "../../workers/threads.ts";
import { awaitInit } from "../../workers/worker_scope.ts";

awaitInit(PortInit).then(({ port }) =>
  answer(port, {
    async *run(): AsyncGenerator<JobItem> {
      yield { type: "notice", message: "begun" };
      setTimeout(() => Deno.exit(1));
      await new Promise(() => {});
    },
  })
);
