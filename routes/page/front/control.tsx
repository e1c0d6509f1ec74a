/** @jsxImportSource preact */
// λ by hand: one slider between two dimensions, a triangle with sliders for three, sliders for more.
import { dimensionColour, mixedColour } from "../../../core/front/palette.ts";
import { describePreference, withWeight } from "./preference.ts";
import { Triangle } from "./triangle.tsx";

export interface ControlProps {
  dimensions: string[];
  preference: number[];
  onChange: (preference: number[]) => void;
}

export function Control({ dimensions, preference, onChange }: ControlProps) {
  const m = dimensions.length;
  if (m === 1) return <p class="quiet">One dimension: λ is {dimensions[0]} alone.</p>;
  if (m === 2) return <Between {...{ dimensions, preference, onChange }} />;
  return (
    <div class={m === 3 ? "control triangular" : "control"}>
      {m === 3 && <Triangle {...{ dimensions, preference, onChange }} />}
      <div class="weights" role="group" aria-label="Weights of λ">
        {dimensions.map((name, i) => (
          <label key={name} class="weight" style={{ "--dimension": dimensionColour(i) }}>
            <span class="dimension-name">{name}</span>
            <input
              type="range"
              min="0"
              max="1"
              step="0.01"
              value={preference[i]}
              aria-valuetext={describePreference(preference, dimensions)}
              onInput={(event) =>
                onChange(withWeight(preference, i, event.currentTarget.valueAsNumber))}
            />
            <output>{preference[i]?.toFixed(2)}</output>
          </label>
        ))}
      </div>
    </div>
  );
}

/** To the right lies more of the first dimension, as in the plot. */
function Between({ dimensions, preference, onChange }: ControlProps) {
  const [first = 0, second = 0] = preference;
  const stops = Array.from({ length: 7 }, (_, k) => mixedColour([k / 6, 1 - k / 6]));
  return (
    <div class="control between">
      <span class="end" style={{ "--dimension": dimensionColour(1) }}>
        <span class="dimension-name">{dimensions[1]}</span> <output>{second.toFixed(2)}</output>
      </span>
      <span class="end" style={{ "--dimension": dimensionColour(0) }}>
        <span class="dimension-name">{dimensions[0]}</span> <output>{first.toFixed(2)}</output>
      </span>
      <input
        type="range"
        min="0"
        max="1"
        step="0.01"
        value={first}
        style={{
          "--track": `linear-gradient(to right, ${stops.join(", ")})`,
          "--thumb": mixedColour(preference),
        }}
        aria-label={`λ between ${dimensions[1]} and ${dimensions[0]}`}
        aria-valuetext={describePreference(preference, dimensions)}
        onInput={(event) => onChange(withWeight(preference, 0, event.currentTarget.valueAsNumber))}
      />
    </div>
  );
}
