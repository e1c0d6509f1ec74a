// The services behind the page in its own tests: memoryService with what the page shows besides,
// fronts, logged steps and cards, so that every view has something in it. What the real services do
// is the matter of first_run_test.ts.
import type { FrontReport } from "../../core/front/report.ts";
import type { FrontJob, JobEvent } from "../../workers/service.ts";
import { type MemoryService, memoryService } from "../routes/memory_service.ts";

const STEPS = 40;
const settings = { grid: 5, bootstrap: 1000, seed: 42 };

/** A service with a front of `tiny` (two dimensions) and `three`; `0` has none until measured. */
export async function pageService(): Promise<MemoryService> {
  const service = memoryService();
  const fronts = new Map<string, FrontReport>();
  for (const adapter of ["tiny", "three"]) fronts.set(adapter, await measure(service, adapter));
  for (const { id } of await service.listJobs()) service.jobs.delete(id); // the page's own come
  return {
    ...service,
    async getAdapter(id) {
      const front = fronts.get(id);
      const measured: Record<string, FrontReport> = {
        ...front !== undefined && { final: front },
        ...await finished(service, id),
      };
      return {
        ...await service.getAdapter(id),
        card: "# Card of an adapter\n\n| name | value |\n| --- | --- |\n| rank | `8` |\n",
        fronts: measured,
        metrics: Array.from({ length: STEPS }, (_, i) => ({
          step: i + 1,
          loss: 0.7 - i / 100,
          "loss/helpful": 0.7 - i / 90,
          "loss/harmless": 0.7 - i / 110,
          "accuracy/helpful": 0.5 + i / 100,
          "accuracy/harmless": 0.5 + i / 120,
        })),
      };
    },
  };
}

/** One step as a training job tells of it. */
export function stepEvent(step: number, steps: number): JobEvent["event"] {
  const loss = 0.7 - step / (4 * steps);
  return {
    type: "step",
    step,
    steps,
    loss,
    losses: { helpful: loss - 0.02, harmless: loss + 0.02 },
    accuracies: { helpful: 0.6, harmless: 0.7 },
    learningRate: 1e-3,
    gradNorm: 1,
    tokens: 100 * step,
    seconds: step,
    tokensPerSecond: 100,
    etaSeconds: steps - step,
  };
}

/** The front of an adapter by way of a job, as the service gives it. */
async function measure(service: MemoryService, adapter: string): Promise<FrontReport> {
  const answer = await service.front({ adapter, ...settings });
  if (answer.type === "front") return answer.report;
  service.tell(answer.job.id, { type: "state", state: "done", error: null });
  return await measure(service, adapter);
}

/** The fronts that jobs of the page measured, by name; the first of an adapter without one is final. */
async function finished(
  service: MemoryService,
  adapter: string,
): Promise<Record<string, FrontReport>> {
  const measured: Record<string, FrontReport> = {};
  for (const job of await service.listJobs()) {
    if (job.kind !== "front" || job.adapter !== adapter || job.state !== "done") continue;
    const answer = await service.front(job.request as unknown as FrontJob);
    const name = job.id.replace("job-", "").padStart(32, "0"); // as digests are named
    if (answer.type === "front") measured[name] = answer.report;
  }
  return measured;
}
