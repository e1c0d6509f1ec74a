// What was run and what came out: the input of the report, as workers/reproduce collects it from the
// stored runs. Everything that the report shows is computed from this and nothing else.
import { z } from "zod";
import { FrontReport } from "../front/report.ts";
import { figureNames } from "./figure_names.ts";

const numbers = () => z.array(z.number());
const count = () => z.number().int().nonnegative();

/** A front without what names a machine or a file. */
export const KeptFront = FrontReport.omit({ adapter: true, settings: true });
export type KeptFront = z.infer<typeof KeptFront>;

/** How a front came to be: how its method makes a policy for every λ. */
export const families = {
  panacea: "one adapter with λ among its singular values",
  rewarded_soups: "one adapter per dimension, interpolated by λ",
  discrete_policies: "one adapter per λ of a set, the nearest answers",
  single_policy: "one adapter without λ",
  reward_model: "what scores the answers of RLHF",
} as const;
/** The name of an entry of `families`. */
export type Family = keyof typeof families;

/** A way of training that is compared with others, over several seeds. */
export const Method = z.strictObject({
  name: z.string(),
  label: z.string().describe("as the pictures call it"),
  variant: z.string().describe("what differs from the method's plain form; empty: nothing"),
  family: z.enum(Object.keys(families) as [Family, ...Family[]]),
  objective: z.string(),
  aggregation: z.string(),
  figures: z.array(z.enum(figureNames)).describe("that its fronts are drawn in"),
});
export type Method = z.infer<typeof Method>;

/** What a run took. */
export const Cost = z.strictObject({
  policies: count().describe("adapters trained"),
  steps: count().describe("of all of them together"),
  tokens: count().describe("that went through the trained policies, prompts and responses"),
  seconds: z.number().nonnegative().describe("of training steps"),
  wallSeconds: z.number().nonnegative().describe("of the whole run: loading, fronts and all"),
  peakBytes: count().describe("largest resident memory of the process seen during the run"),
});
export type Cost = z.infer<typeof Cost>;

/** One planned run: done, failed, or not reached. */
export const RunRecord = z.strictObject({
  name: z.string(),
  method: z.string(),
  seed: count(),
  state: z.enum(["done", "failed", "missing"]),
  error: z.string().optional().describe("one sentence, where it failed"),
  settings: z.record(z.string(), z.unknown()).describe("other than the schema's defaults"),
  cost: Cost.optional(),
  /** By metric; the main one is the method's own. */
  fronts: z.record(z.string(), KeptFront),
  evolution: z.array(z.strictObject({ step: count(), front: KeptFront })),
  /** Rows of metrics.jsonl, thinned out. */
  curve: z.array(z.record(z.string(), z.number())),
});
export type RunRecord = z.infer<typeof RunRecord>;

/** Labellers of a mixture: the share of the labels that each gives, and what each wants. */
export const Mixture = z.strictObject({
  method: z.string().describe("method whose runs were trained on their labels"),
  labellers: z.array(z.strictObject({ share: z.number(), preference: numbers() })),
});
export type Mixture = z.infer<typeof Mixture>;

/** Answers of one run to one prompt. */
export const Sample = z.strictObject({
  run: z.string(),
  prompt: z.string(),
  answers: z.array(z.strictObject({ preference: numbers(), answer: z.string() })),
});
export type Sample = z.infer<typeof Sample>;

/** Everything that a reproduction produced. */
export const Results = z.strictObject({
  format: z.literal("panacea-reproduction"),
  version: z.literal(1),
  scale: z.string(),
  description: z.string(),
  notes: z.array(z.string()).describe("what a reader of the claims has to know at this scale"),
  date: z.string().describe("of the last run, as YYYY-MM-DD"),
  dimensions: z.array(z.string()).min(1).describe("of the main runs"),
  /** The base model, the data and the flags, by name. */
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  machine: z.record(z.string(), z.union([z.string(), z.number()])),
  versions: z.record(z.string(), z.string()),
  methods: z.array(Method),
  runs: z.array(RunRecord),
  mixtures: z.array(Mixture),
  samples: z.array(Sample),
});
export type Results = z.infer<typeof Results>;
