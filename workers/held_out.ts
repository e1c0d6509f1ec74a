// Measures the loss of a run's model on its held-out dialogues and keeps the report of all
// measurements in its folder: reports/held_out.{json,svg,csv}.
import type { RunConfig } from "../core/config.ts";
import { scoreSequences } from "../core/front/evaluate.ts";
import {
  heldOutCsv,
  type HeldOutData,
  HeldOutReport,
  heldOutSvg,
  withPoint,
} from "../core/held_out.ts";
import type { Scorer } from "../core/policy.ts";
import { Random } from "../core/random.ts";
import { tokenizeInstructions } from "../core/text/instructions.ts";
import { learnedTokens, rowLengthFor, type Sequence } from "../core/text/pack.ts";
import { readReport, saveReport } from "../data/store/fronts.ts";
import type { Run } from "../data/store/run_folder.ts";
import type { InstructionRows } from "./instruction_data.ts";
import type { Base } from "./machine.ts";
import type { SessionOptions } from "./protocol.ts";
import { runLengths } from "./run_lengths.ts";

/** Name of the report in reports/ of a run. */
export const HELD_OUT_REPORT = "held_out";

export interface HeldOutContext {
  rows: Pick<InstructionRows, "test" | "testName">;
  base: Base;
  config: RunConfig;
  options: SessionOptions;
}

/** The held-out dialogues of a run. */
export interface HeldOut {
  /** The loss of `policy` as it is after `step` steps, added to the report in the run's folder. */
  measure(
    policy: Scorer,
    place: { run: Run; step: number },
  ): Promise<{ report: HeldOutReport; files: string[] }>;
}

/** The dialogues as tokens, at most eval_limit of them; null where the run holds none out. */
export function heldOutEvaluation(context: HeldOutContext): HeldOut | null {
  const { rows: { test, testName }, base, config, options } = context;
  if (test.examples.length === 0) return null;
  const sequences = limited(
    tokenizeInstructions(base.tokenizer, test, runLengths(config, base)).sequences,
    config,
  );
  const data: HeldOutData = {
    base_model: config.model_name_or_path,
    dataset: testName,
    dataset_fingerprint: test.fingerprint,
    template_fingerprint: base.tokenizer.fingerprint,
    tokens: sequences.map(learnedTokens),
    prompts: promptNumbers(sequences),
  };
  return {
    async measure(policy, { run, step }) {
      // Trained without preferences, or under the only one there is.
      const [scores = new Float32Array()] = await scoreSequences(policy, sequences, [[1]], {
        rowLength: rowLengthFor(sequences, config.max_tokens_per_pass),
        maxTokens: config.max_tokens_per_pass,
        signal: options.signal,
        onProgress: (done, total) =>
          options.onEvent({ type: "progress", what: "Held-out loss", done, total }),
      });
      const known = await readReport(run.path, HELD_OUT_REPORT, HeldOutReport);
      const report = withPoint(known, data, {
        point: { step, nll: Array.from(scores, (score) => -score) },
        seed: config.seed,
        resamples: config.bootstrap,
      });
      const training = (await run.readMetrics()).map(({ step, loss }) => ({
        step,
        loss: Number(loss),
      }));
      const files = await saveReport(run.path, HELD_OUT_REPORT, {
        json: report,
        csv: heldOutCsv(report),
        svg: heldOutSvg(report, { name: run.path, training }),
      });
      return { report, files };
    },
  };
}

/** At most eval_limit sequences, drawn by the seed, in the order of the data. */
function limited(sequences: Sequence[], { eval_limit, seed }: RunConfig): Sequence[] {
  if (eval_limit === undefined) return sequences;
  const drawn = new Random(seed).fork("held out").shuffle(sequences.length).slice(0, eval_limit);
  return [...drawn].sort((a, b) => a - b).flatMap((s) => sequences[s] ?? []);
}

/** Equal prompts get equal numbers, so that the bootstrap resamples their answers together. */
function promptNumbers(sequences: Sequence[]): number[] {
  const known = new Map<string, number>();
  return sequences.map(({ prompt }) => {
    const key = prompt.join(",");
    const number = known.get(key) ?? known.size;
    known.set(key, number);
    return number;
  });
}
