/** @jsxImportSource preact */
// The charts of a run, for a job that runs and for an adapter that is done: its loss, and what else
// its objective tells.
import { Chart } from "./chart.tsx";
import { type LoggedStep, makeCurves } from "./curves.ts";

export function CurvesView({ steps }: { steps: LoggedStep[] }) {
  const { loss, accuracy, others } = makeCurves(steps);
  const judged = steps.length === 0 || accuracy.some(({ points }) => points.length > 0);
  return (
    <div class="charts">
      <Chart title="Loss" curves={loss} />
      {judged && <Chart title="Accuracy" curves={accuracy} bounds={[0, 1]} />}
      {others.map(({ title, curves }) => <Chart key={title} title={title} curves={curves} />)}
    </div>
  );
}
