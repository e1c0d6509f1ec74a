// A dry run: what every part of a plan would need on each device, by the formulas of core/footprint.
// Nothing is trained and nothing is written; at most the data are read and this machine's speed is
// measured.
import { type Device, devices, type Fit, fitOn } from "../../core/footprint/devices.ts";
import { countParameters } from "../../core/footprint/model.ts";
import { runFootprint, type RunShape, stepsOf, type Volume } from "../../core/footprint/run.ts";
import type { DecoderConfig } from "../../core/models/config.ts";
import { latticeGrid } from "../../core/preference.ts";
import type { Plan, PlannedRun } from "./plan.ts";

/** Below this many parameters a GPU's time goes into starting kernels, which is not counted. */
const SMALLEST_FOR_DEVICES = 1e8;

/** What one method of a plan needs. */
export interface MethodEstimate {
  label: string;
  seeds: number;
  policies: number; // trained for one seed
  steps: number; // of one of them
  /** By device: of one seed. */
  fits: Record<string, Fit>;
}

/** What a plan needs. */
export interface PlanEstimate {
  scale: string;
  parameters: number; // of the base model
  volume: Volume;
  methods: MethodEstimate[];
  /** By device: seconds of everything, one run after another. */
  seconds: Record<string, number>;
}

/**
 * What `plan` needs, for a decoder and data of these sizes, on `here` and, where the model is large
 * enough for them, on the devices of the table.
 */
export function estimatePlan(
  plan: Plan,
  { decoder, volume, here }: { decoder: DecoderConfig; volume: Volume; here?: Device },
): PlanEstimate {
  const parameters = countParameters(decoder);
  const others = parameters < SMALLEST_FOR_DEVICES ? [] : Object.values(devices);
  const all = [...(here === undefined ? [] : [here]), ...others];
  const names = [...new Set(plan.runs.map(({ method }) => method))];
  const methods = names.flatMap((name): MethodEstimate[] => {
    const runs = plan.runs.filter(({ method }) => method === name);
    const [run] = runs;
    if (run === undefined) return [];
    const shape = shapeOf(run, { decoder, volume, objectives: dimensionsOf(run, plan) });
    const footprint = runFootprint(shape);
    return [{
      label: plan.methods.find((method) => method.name === name)?.label ?? name,
      seeds: runs.length,
      policies: shape.members,
      steps: stepsOf(shape),
      fits: Object.fromEntries(all.map((device) => [device.name, fitOn(footprint, device)])),
    }];
  });
  return {
    scale: plan.scale,
    parameters,
    volume,
    methods,
    seconds: Object.fromEntries(all.map(({ name }) => [
      name,
      methods.reduce((sum, { seeds, fits }) => sum + seeds * (fits[name]?.seconds ?? 0), 0),
    ])),
  };
}

function shapeOf(
  { config, kind, memberGrid = 2 }: PlannedRun,
  { decoder, volume, objectives }: {
    decoder: DecoderConfig;
    volume: Volume;
    objectives: number;
  },
): RunShape {
  const members: Record<PlannedRun["kind"], number> = {
    train: 1,
    rewarded_soups: objectives,
    discrete_policies: latticeGrid(objectives, memberGrid).length,
  };
  // Reward models that the plan trains are adapters and heads on the one frozen base.
  return { config, decoder, volume, objectives, members: members[kind], rewardModels: 0 };
}

function dimensionsOf({ config }: PlannedRun, plan: Plan): number {
  return config.dimensions?.split(",").length ?? plan.dimensions.length;
}
