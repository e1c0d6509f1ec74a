// Synthetic measurements for the tests of report and picture: every prompt has a threshold, and a
// point answers it correctly when its skill, a function of λ_i alone, lies above.
import type { FrontMeasurement } from "../../../core/front/report.ts";
import { latticeGrid } from "../../../core/preference.ts";
import { Random } from "../../../core/random.ts";

const NAMES = ["helpful", "harmless", "concise", "honest"];

/** An implicit-accuracy measurement in which λ_i moves dimension i by `effect`. */
export function measurement(
  m: number,
  { effect = 0.3, base = 0.5, prompts = 200, adapter = "runs/first", pointsPerEdge = 11 } = {},
): FrontMeasurement {
  const random = new Random(7);
  const preferences = latticeGrid(m, pointsPerEdge);
  const dimensions = NAMES.slice(0, m);
  return {
    adapter,
    metric: "implicit_accuracy",
    dimensions,
    preferences,
    outcomes: dimensions.map((_, i) => {
      const thresholds = Array.from({ length: prompts }, () => random.uniform());
      return {
        values: preferences.map((preference) =>
          thresholds.map((t) => (t < base + effect * Math.sqrt(preference[i] ?? 0) ? 1 : 0))
        ),
      };
    }),
    referencePoint: dimensions.map(() => 0.25),
    settings: { grid: pointsPerEdge },
  };
}
