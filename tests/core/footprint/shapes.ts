// Shapes that footprints are measured and computed for.
import type { DecoderConfig } from "../../../core/models/config.ts";
import { smollm2 } from "../../bench/shape.ts";

/** By name; the 360M shape is SmolLM2's next size up, cut to half of its layers. */
export const shapes: Record<string, DecoderConfig> = {
  smollm2_135m: smollm2,
  smollm2_135m_half: { ...smollm2, layers: 15 },
  smollm2_360m_half: { ...smollm2, width: 960, layers: 16, heads: 15, kvHeads: 5, mlpWidth: 2560 },
  narrow: {
    ...smollm2,
    ...{ vocabSize: 2000, width: 256, layers: 4, heads: 4, kvHeads: 4, mlpWidth: 1024 },
  },
};
