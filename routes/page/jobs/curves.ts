// A run's numbers as curves: out of the events of a job or the logged rows of an adapter, thinned to
// what a chart can show, with a smoothed line beside the noisy one.
import type { StepEvent } from "../../../workers/protocol.ts";

/** One value of a curve. */
export interface CurvePoint {
  step: number;
  value: number;
}

/** One line of a chart; `dimension` null: the loss that is minimised. */
export interface Curve {
  name: string;
  dimension: number | null;
  points: CurvePoint[];
}

/** What the charts of a run show. */
export interface RunCurves {
  loss: Curve[]; // the aggregated one first
  accuracy: Curve[];
  /** What else the objective tells, such as rewards and KL: a chart for each, by dimension. */
  others: { title: string; curves: Curve[] }[];
}

/** One logged step, whichever way it came. */
export interface LoggedStep {
  step: number;
  loss: number;
  losses: Record<string, number>;
  accuracies: Record<string, number>;
  metrics: Record<string, number>; // "kl", "reward/helpful" …
}

/** A step out of a job's event. */
export function stepOfEvent(
  { step, loss, losses, accuracies, metrics = {} }: StepEvent,
): LoggedStep {
  return { step, loss, losses, accuracies, metrics };
}

/** Columns of metrics.jsonl that are no metric of the objective. */
const COMMON = ["step", "loss", "learning_rate", "grad_norm", "tokens", "seconds"];

/** A step out of a row of metrics.jsonl: "loss/helpful", "accuracy/helpful" …; null for others. */
export function stepOfRow(row: Record<string, number>): LoggedStep | null {
  const { step, loss } = row;
  if (step === undefined || loss === undefined) return null;
  const columns = Object.entries(row);
  const under = (prefix: string) =>
    Object.fromEntries(
      columns.filter(([key]) => key.startsWith(prefix)).map((
        [key, value],
      ) => [key.slice(prefix.length), value]),
    );
  const metrics = columns.filter(([key]) =>
    !COMMON.includes(key) && !/^(loss|accuracy)\//.test(key)
  );
  return {
    step,
    loss,
    losses: under("loss/"),
    accuracies: under("accuracy/"),
    metrics: Object.fromEntries(metrics),
  };
}

/** The curves of a run; of a step that was logged twice (resumed) the later one counts. */
export function makeCurves(steps: LoggedStep[]): RunCurves {
  const byStep = new Map<number, LoggedStep>();
  for (const step of steps) byStep.set(step.step, step);
  const ordered = [...byStep.values()].sort((a, b) => a.step - b.step);
  const columns = [...new Set(ordered.flatMap(({ metrics }) => Object.keys(metrics)))];
  const dimensions = [
    ...new Set([
      ...ordered.flatMap(({ losses }) => Object.keys(losses)),
      ...columns.flatMap((column) => column.split("/").slice(1)),
    ]),
  ];
  const curve = (
    name: string,
    dimension: number | null,
    value: (step: LoggedStep) => number | undefined,
  ): Curve => ({
    name,
    dimension,
    points: ordered.flatMap((step) => {
      const found = value(step);
      return found === undefined || !Number.isFinite(found)
        ? []
        : [{ step: step.step, value: found }];
    }),
  });
  const each = (of: (step: LoggedStep) => Record<string, number>) =>
    dimensions.map((name, i) => curve(name, i, (step) => of(step)[name]));
  return {
    loss: [curve("aggregated", null, ({ loss }) => loss), ...each(({ losses }) => losses)],
    accuracy: each(({ accuracies }) => accuracies),
    others: [...new Set(columns.map((column) => column.split("/")[0] ?? ""))].map((name) => ({
      title: titleOf(name),
      curves: [
        curve("all", null, ({ metrics }) => metrics[name]),
        ...dimensions.map((dimension, i) =>
          curve(dimension, i, ({ metrics }) => metrics[`${name}/${dimension}`])
        ),
      ].filter(({ points }) => points.length > 0),
    })),
  };
}

/** `clip_fraction` → "Clip fraction" */
function titleOf(column: string): string {
  const words = column.replaceAll("_", " ").replace(/\bkl\b/, "KL");
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** At most `most` points: means of equal stretches of steps. */
export function thinned(points: CurvePoint[], most: number): CurvePoint[] {
  if (points.length <= most) return points;
  return Array.from({ length: most }, (_, i) => {
    const part = points.slice(
      Math.floor((i * points.length) / most),
      Math.floor(((i + 1) * points.length) / most),
    );
    const mean = (of: (point: CurvePoint) => number) =>
      part.reduce((sum, point) => sum + of(point), 0) / part.length;
    return { step: mean(({ step }) => step), value: mean(({ value }) => value) };
  });
}

/**
 * Exponential moving mean that forgets over about `memory` points and starts unbiased (as Adam's
 * moments do, Kingma and Ba 2015, section 3).
 */
export function smoothed(points: CurvePoint[], memory: number): CurvePoint[] {
  const decay = memory <= 1 ? 0 : 1 - 1 / memory;
  let [sum, weight] = [0, 0];
  return points.map(({ step, value }) => {
    sum = decay * sum + value;
    weight = decay * weight + 1;
    return { step, value: sum / weight };
  });
}
