// trainer_state.json of a run: its log as transformers' Trainer writes it, for the tools that read
// log_history. A view of metrics.jsonl; a run goes on from its checkpoints' own state, not from this.
// Source: transformers.trainer_callback.TrainerState, which takes no other fields.
import type { RunConfig } from "../../core/config.ts";
import { encodeJson } from "./json.ts";
import type { MetricRow } from "./metrics.ts";

/** The file's name. */
export const TRAINER_STATE = "trainer_state.json";

/** How far a run is. */
export interface TrainerProgress {
  step: number;
  /** Steps of the whole run. */
  steps: number;
  /** That went through the policy so far. */
  tokens: number;
  config: Pick<RunConfig, "logging_steps" | "eval_steps" | "save_steps">;
}

/** The file's text. */
export function encodeTrainerState(
  rows: MetricRow[],
  { step, steps, tokens, config }: TrainerProgress,
): string {
  const state = {
    global_step: step,
    max_steps: steps,
    num_input_tokens_seen: tokens,
    logging_steps: config.logging_steps,
    eval_steps: config.eval_steps,
    save_steps: config.save_steps,
    log_history: rows,
  };
  return encodeJson(state, { name: TRAINER_STATE }) + "\n";
}
