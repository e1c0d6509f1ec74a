/** @jsxImportSource preact */
// The two charts of a run, for a job that runs and for an adapter that is done.
import { Chart } from "./chart.tsx";
import { type LoggedStep, makeCurves } from "./curves.ts";

export function CurvesView({ steps }: { steps: LoggedStep[] }) {
  const { loss, accuracy } = makeCurves(steps);
  return (
    <div class="charts">
      <Chart title="Loss" curves={loss} />
      <Chart title="Accuracy" curves={accuracy} bounds={[0, 1]} />
    </div>
  );
}
