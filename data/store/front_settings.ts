// What a front's numbers depend on. A stored front answers a question only where all of this is
// equal; workers/front_settings.ts collects it without loading a model, front_report.ts writes it
// into the report's `settings`, front_lookup.ts compares.
import { z } from "zod";
import { type Metric, metrics } from "../../core/front/report.ts";
import { encodeJson } from "./json.ts";
import { sha256 } from "./manifest.ts";

/** What a front depends on besides, where its values are rewards of generated responses. */
export const ResponseSettings = z.object({
  rewardModel: z.string().describe("fingerprint of what gives the rewards"),
  maxNewTokens: z.number().describe("longest response, in tokens"),
  format: z.string().describe("how frozen weights are held where responses are generated"),
});
export type ResponseSettings = z.infer<typeof ResponseSettings>;

/** Everything that two evaluations must share for their fronts to be the same. */
export const FrontSettings = z.object({
  adapterHash: z.string().describe("sha256 of the adapter's parameters file"),
  base: z.string().describe("fingerprint of the base model"),
  template: z.string().describe("fingerprint of tokenizer and chat template"),
  loraAlpha: z.number(),
  loraScalingFactor: z.number().optional().describe("absent where it is learned"),
  composite: z.string().optional().describe("kind and members; absent for a trained adapter"),
  beta: z.number(),
  objective: z.string(),
  lossType: z.string().optional().describe("absent for DPO's own loss"),
  aggregation: z.string(),
  metric: z.enum(Object.keys(metrics) as [Metric, ...Metric[]]),
  data: z.string().describe("fingerprint of the evaluation data"),
  dimensions: z.array(z.string()),
  grid: z.number().describe("points per edge of the simplex"),
  limit: z.number().nullable().describe("most test pairs per dimension"),
  maxLength: z.number().describe("longest prompt plus response, in tokens"),
  overlong: z.string(),
  resamples: z.number().describe("of the bootstrap"),
  seed: z.number().describe("of the bootstrap and of which pairs are kept"),
  dtype: z.string().describe("how frozen weights were asked to be held"),
  responses: ResponseSettings.optional().describe("only of the metric `reward`"),
});
export type FrontSettings = z.infer<typeof FrontSettings>;

/** A name for the files of a front with these settings: 32 hex digits, equal for equal settings. */
export function frontName(settings: FrontSettings): string {
  const entries = Object.entries(FrontSettings.parse(settings));
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256(encodeJson(entries, { name: "front settings", indent: 0 })).slice(0, 32);
}
