// What a dry run has to find out: the shape of the model, how much data there is, and how fast this
// machine is. estimate.ts does the rest.
import { type Device, type Host, SHARE_OF_PRODUCT } from "../../core/footprint/devices.ts";
import type { Volume } from "../../core/footprint/run.ts";
import type { RunConfig } from "../../core/config.ts";
import type { DecoderConfig } from "../../core/models/config.ts";
import type { PreferenceDataset } from "../../core/text/example.ts";
import { tokenizePairs } from "../../core/text/pairs.ts";
import { Random } from "../../core/random.ts";
import { runDoctor } from "../doctor.ts";
import { withLocalData } from "../hub_data.ts";
import { type Base, openBase } from "../machine.ts";
import type { SessionOptions } from "../protocol.ts";
import { loadRows } from "../run_data.ts";
import { estimatePlan, type PlanEstimate } from "./estimate.ts";
import type { Plan } from "./plan.ts";

/** Examples that mean lengths are taken of. */
const SAMPLE = 300;
const COPY_BYTES = 2 ** 28;

/** Sizes that a scale brings itself, where no model or data are given. */
export interface KnownSizes {
  decoder: DecoderConfig;
  volume: Volume;
}

/** What a plan would need here and on the devices of the table. */
export async function runDryRun(
  plan: Plan,
  { known, compute }: {
    known?: KnownSizes;
    compute: Pick<RunConfig, "engine" | "threads" | "device">;
  },
  options: SessionOptions,
): Promise<PlanEstimate> {
  const sizes = known ?? await readSizes(plan, options);
  const here = await measureHere(compute, options);
  return estimatePlan(plan, { ...sizes, here });
}

/** The sizes of the model and the data that a plan's runs name. */
async function readSizes(plan: Plan, options: SessionOptions): Promise<KnownSizes> {
  const config = plan.runs.find(({ config }) => config.objective === "dpo")?.config ??
    plan.runs[0]?.config;
  if (config === undefined) throw new RangeError("Cannot estimate a plan: expected runs, got none");
  const base = await openBase({
    model: config.model_name_or_path,
    revision: config.revision,
  }, options);
  const rows = await loadRows(await withLocalData(config, options));
  return { decoder: base.config, volume: volumeOf(rows.train, { base, config }) };
}

/** The volume of a data set, its lengths from a sample of it. */
export function volumeOf(
  train: PreferenceDataset,
  { base, config }: { base: Pick<Base, "tokenizer">; config: RunConfig },
): Volume {
  const { dimensions, examples } = train;
  const order = [...new Random(config.seed).shuffle(examples.length)].slice(0, SAMPLE);
  const sample = { ...train, examples: order.flatMap((i) => examples[i] ?? []) };
  const { pairs } = tokenizePairs(base.tokenizer, sample, {
    maxLength: config.max_length,
    overlong: config.overlong,
  });
  const mean = (lengths: number[]) =>
    lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, lengths.length);
  const kept = pairs.length / Math.max(1, order.length);
  const prompts = new Set(examples.map(({ prompt }) => JSON.stringify(prompt)));
  return {
    pairs: Math.round(kept * examples.length),
    pairedLabels: examples.every(({ better }) =>
      better.length === dimensions.length && better.every((label) => label !== null)
    ),
    prompts: prompts.size,
    testPairs: Math.round(kept * examples.length / 10),
    testPrompts: Math.round(prompts.size / 10),
    promptTokens: mean(pairs.map(({ prompt }) => prompt.length)),
    responseTokens: mean(pairs.flatMap(({ responses }) => responses.map((r) => r.length))),
  };
}

/** This machine as a device: measured products, and how fast memory is read. */
async function measureHere(
  compute: Pick<RunConfig, "engine" | "threads" | "device">,
  options: SessionOptions,
): Promise<Device> {
  const { gflops, gflopsBfloat16 = gflops } = await runDoctor(compute, options);
  const bytes = Deno.systemMemoryInfo().total;
  const host: Host = { bytes, single: gflops * 1e9, bandwidth: readingSpeed() };
  return {
    name: "here",
    bytes,
    half: gflopsBfloat16 * 1e9,
    single: gflops * 1e9,
    share: SHARE_OF_PRODUCT,
    isHost: true,
    host,
  };
}

/** Bytes a second that a copy reads and writes, the better of two. */
function readingSpeed(): number {
  const [from, to] = [new Uint8Array(COPY_BYTES), new Uint8Array(COPY_BYTES)];
  const seconds = [0, 1].map(() => {
    const start = performance.now();
    to.set(from);
    return (performance.now() - start) / 1000;
  });
  return 2 * COPY_BYTES / Math.min(...seconds);
}
