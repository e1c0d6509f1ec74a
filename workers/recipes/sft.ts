// Supervised fine-tuning: dialogues as tokens, packed without seeing each other, the loss on the
// answers, all weights or an adapter trained by core/train.ts, and the loss on held-out dialogues.
// Ends with a model folder, the base of what comes next (reward model, DPO, PPO).
import { disposeParameters } from "../../core/adapters/parameters.ts";
import { aggregations } from "../../core/aggregation/mod.ts";
import type { RunConfig } from "../../core/config.ts";
import { InputError } from "../../core/errors.ts";
import type { HeldOutReport } from "../../core/held_out.ts";
import { familyOf } from "../../core/models/families.ts";
import { sft } from "../../core/objectives/sft.ts";
import { preferenceDraw } from "../../core/preference.ts";
import { alpacaTemplate } from "../../core/text/alpaca_template.ts";
import type { Labelled } from "../../core/text/example.ts";
import { rowLengthFor, type Sequence } from "../../core/text/pack.ts";
import { train, type TrainParts } from "../../core/train.ts";
import { type HeldOut, heldOutEvaluation } from "../held_out.ts";
import {
  type InstructionRows,
  loadInstructionRows,
  tokenizeTraining,
} from "../instruction_data.ts";
import type { Base } from "../machine.ts";
import type { SessionOptions } from "../protocol.ts";
import { readTensors, resumeFrom } from "./adapter_run.ts";
import {
  type LoadedRun,
  type Recipe,
  requireTuning,
  type StartedRun,
  type StartingPlace,
} from "./recipe.ts";
import { type SftModel, sftTuning, sftTunings } from "./sft_models.ts";
import { modelFolderOf } from "./sft_store.ts";

/** The one loss there is, by the name that rows, events and adapter have for it. */
const DIMENSIONS = ["imitation"];

export const sftRecipe: Recipe = {
  async open(config) {
    requireTuning(config, sftTunings);
    sftTuning(config).check(config);
    if (config.dimensions !== undefined) {
      throw new InputError(
        `Cannot train sft: expected no dimensions, which instruction data do not have, got ` +
          config.dimensions,
      );
    }
    preferenceDraw(config, DIMENSIONS); // a wrong fixed_preference is told now
    const rows = await loadInstructionRows(config);
    return {
      dimensions: DIMENSIONS,
      fingerprint: rows.train.fingerprint,
      load: (session) => load(rows, session),
    };
  },
};

interface Session {
  config: RunConfig;
  options: SessionOptions;
}

/** A session with everything that starting needs. */
interface Loaded extends Session {
  rows: InstructionRows;
  model: SftModel;
  base: Base; // with the chat template that the run uses
  chatTemplate: string | null; // where the model brings none
  sequences: Sequence[];
  heldOut: HeldOut | null;
}

async function load(rows: InstructionRows, session: Session): Promise<LoadedRun> {
  const model = await sftTuning(session.config).open(session);
  try {
    familyOf(model.base.config).toConfigJson(model.base.config); // what cannot be stored is told now
    const chatTemplate = model.base.tokenizer.hasTemplate ? null : alpacaTemplate;
    const base = withTemplate(model.base, { chatTemplate, ...session });
    const sequences = tokenizeTraining(rows.train, { base, ...session });
    const heldOut = heldOutEvaluation({ rows, base, ...session });
    return {
      base,
      start: (place) =>
        start({ ...session, rows, model, base, chatTemplate, sequences, heldOut }, place),
      [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
    };
  } catch (error) {
    await model[Symbol.asyncDispose]();
    throw error;
  }
}

/** The base with a chat template in place of one that it lacks; the model folder will carry it. */
function withTemplate(
  base: Base,
  { chatTemplate, options }: { chatTemplate: string | null; options: SessionOptions },
): Base {
  if (chatTemplate === null) return base;
  options.onEvent({
    type: "notice",
    message:
      `${base.name} has no chat template: it learns Alpaca's, which is stored in the model ` +
      "folder that this run ends with",
  });
  return { ...base, tokenizer: base.tokenizer.withTemplate(chatTemplate) };
}

async function start(
  { config, options, rows, model, base, chatTemplate, sequences, heldOut }: Loaded,
  { run, checkpoint }: StartingPlace,
): Promise<StartedRun> {
  const trained = await model.start({
    checkpoint,
    rowLength: rowLengthFor(sequences, config.max_tokens_per_pass),
    maxTokens: config.max_tokens_per_pass,
  });
  let last: HeldOutReport | undefined;

  async function measure(step: number): Promise<void> {
    if (heldOut === null) return;
    const { report } = await heldOut.measure(trained.scorer, { run, step });
    last = report;
    const { loss = NaN, perplexity = NaN } = report.points.at(-1) ?? {};
    options.onEvent({
      type: "notice",
      message: `Held-out loss ${loss.toFixed(4)} a token, perplexity ${perplexity.toFixed(2)}, ` +
        `after ${step} steps`,
    });
  }

  try {
    const parts: TrainParts<Sequence & Labelled> = {
      engine: model.engine,
      pass: trained.pass,
      adapter: trained.adapter,
      parameters: trained.parameters,
      objective: sft(),
      aggregation: aggregations.ls(), // of one loss
      dimensions: DIMENSIONS,
      examples: sequences.map((sequence) => ({ ...sequence, better: [0] })),
      referenceLogProbs: new Float32Array(),
      resume: resumeFrom(checkpoint),
    };
    const adapterConfig = (step: number) =>
      trained.adapterConfig(step, {
        base,
        rows: { dimensions: DIMENSIONS, fingerprint: rows.train.fingerprint },
      });
    if (checkpoint === null) await measure(0);
    // One group: the mean is over the tokens of a micro-step, whichever dialogue they are of.
    const settings = { ...config, preferences_per_step: 1 };
    return {
      progress: parts.resume?.state ?? null,
      events: (signal) => train(settings, parts, signal),
      adapterConfig,
      tensors: () => readTensors(trained.parameters),
      async evaluate(_name, step) {
        await measure(step);
        return undefined;
      },
      store: (step) => trained.store(run, { adapterConfig: adapterConfig(step), chatTemplate }),
      finish: () => Promise.resolve({ model: modelFolderOf(run), heldOut: last }),
      [Symbol.asyncDispose]() {
        disposeParameters(trained.parameters);
        return Promise.resolve();
      },
    };
  } catch (error) {
    disposeParameters(trained.parameters);
    throw error;
  }
}
