// How long a run's sequences may be on its base model.
import type { RunConfig } from "../core/config.ts";
import type { DecoderConfig } from "../core/models/config.ts";
import type { PairOptions } from "../core/text/pairs.ts";

/** The run's max_length, but never more than the model has positions for. */
export function runLengths(
  { max_length, overlong }: Pick<RunConfig, "max_length" | "overlong">,
  { config: { maxPositions } }: { config: Pick<DecoderConfig, "maxPositions"> },
): PairOptions {
  return { maxLength: Math.min(max_length, maxPositions), overlong };
}
