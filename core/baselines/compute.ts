// What a front cost to train: shown beside its hypervolume, as one adapter for all preferences and one
// for each differ in it above all.
import { z } from "zod";
import { type ComparedFront, FrontComparison } from "../front/comparison.ts";

/** What training took. */
export const TrainingCompute = z.strictObject({
  runs: z.number().int().describe("policies trained"),
  steps: z.number().int().describe("optimiser steps (ppo: iterations) of all runs"),
  tokens: z.number().describe("that went through the trained model"),
  seconds: z.number().describe("of training alone"),
});
export type TrainingCompute = z.infer<typeof TrainingCompute>;

/** One method beside the others. */
export const ComparedMethod = z.strictObject({
  name: z.string(),
  adapter: z.string().describe("name of its folder"),
  members: z.array(z.array(z.number())).describe("preferences with a policy of their own; or none"),
  compute: TrainingCompute,
  hypervolume: z.number().describe("over the common reference point"),
  hypervolumePerMillionTokens: z.number().nullable(),
});
export type ComparedMethod = z.infer<typeof ComparedMethod>;

/** Methods with their fronts and what those cost; both in the same order, the first one leading. */
export const MethodComparison = z.strictObject({
  methods: z.array(ComparedMethod).min(1),
  fronts: FrontComparison,
});
export type MethodComparison = z.infer<typeof MethodComparison>;

/** A logged row of a run, as far as it tells what training took. */
type ComputeRow = { step: number } & Record<string, unknown>;

/**
 * What a run took, from the rows it logged: tokens are those of the last row; where not every step was
 * logged, the seconds of the others are taken to be like those that were.
 */
export function runCompute(rows: ComputeRow[]): TrainingCompute {
  const last = rows.at(-1);
  const logged = rows.reduce((sum, { seconds }) => sum + Number(seconds ?? 0), 0);
  const steps = last?.step ?? 0;
  return {
    runs: 1,
    steps,
    tokens: Number(last?.tokens ?? 0),
    seconds: rows.length === 0 ? 0 : logged * steps / rows.length,
  };
}

/** All runs together. */
export function addCompute(runs: TrainingCompute[]): TrainingCompute {
  const sum = (key: keyof TrainingCompute) => runs.reduce((total, run) => total + run[key], 0);
  return { runs: sum("runs"), steps: sum("steps"), tokens: sum("tokens"), seconds: sum("seconds") };
}

/** The front of a method beside what it cost. */
export function comparedMethod(
  front: ComparedFront,
  { adapter, members, compute }: Pick<ComparedMethod, "adapter" | "members" | "compute">,
): ComparedMethod {
  const { hypervolume } = front.indicators;
  const { tokens } = compute;
  return {
    name: front.name,
    adapter,
    members,
    compute,
    hypervolume,
    hypervolumePerMillionTokens: tokens > 0 ? hypervolume / (tokens / 1e6) : null,
  };
}
