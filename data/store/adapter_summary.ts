// A stored adapter as it is shown: the schemas of the list and of one adapter whole. adapters.ts
// fills them from the disk; routes/ puts them into the OpenAPI document.
import { z } from "zod";
import { RunConfig } from "../../core/config.ts";
import { FrontReport } from "../../core/front/report.ts";
import { AdapterConfig } from "./adapter_config.ts";
import { AdapterId } from "./adapter_id.ts";

/** An adapter in the list. */
export const AdapterSummary = z.strictObject({
  id: AdapterId,
  base: z.string().describe("name of the base model, without its folder"),
  dimensions: z.array(z.string()),
  steps: z.number().int(),
  objective: z.string(),
  aggregation: z.string(),
  finished: z.boolean().describe("false while only checkpoints exist"),
  examples: z.array(z.string()).describe("questions to try; empty where none are known"),
});
export type AdapterSummary = z.infer<typeof AdapterSummary>;

/** One adapter whole. */
export const AdapterDetails = AdapterSummary.extend({
  card: z.string().describe("model card, Markdown"),
  config: AdapterConfig,
  run: RunConfig.nullable().describe("settings of the run that made it"),
  fronts: z.record(z.string(), FrontReport),
  metrics: z.array(z.record(z.string(), z.number())).describe("logged rows of the run"),
});
export type AdapterDetails = z.infer<typeof AdapterDetails>;
