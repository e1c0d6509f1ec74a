/** @jsxImportSource preact */
// How answers are drawn: seed, temperature, top_p, most tokens. A change asks the question again.
import { defaultSampling, type Sampling } from "../address.ts";
import { sampling } from "../state.ts";

const fields: {
  name: keyof Sampling;
  label: string;
  help: string;
  min: number;
  max: number;
  step: number | "any";
}[] = [
  {
    name: "temperature",
    label: "Temperature",
    help: "0 takes the likeliest token",
    min: 0,
    max: 2,
    step: "any",
  },
  {
    name: "top_p",
    label: "Top p",
    help: "share of the likeliest tokens",
    min: 0.01,
    max: 1,
    step: "any",
  },
  {
    name: "max_tokens",
    label: "Most tokens",
    help: "empty: as many as fit",
    min: 1,
    max: 32768,
    step: 1,
  },
  {
    name: "seed",
    label: "Seed",
    help: "the same seed, the same answer",
    min: 0,
    max: 2 ** 32 - 1,
    step: 1,
  },
];

export function SamplingForm() {
  const { temperature, max_tokens, seed } = sampling.value;
  const words = [
    `temperature ${temperature}`,
    ...(max_tokens === null ? [] : [`at most ${max_tokens} tokens`]),
    `seed ${seed}`,
  ];
  const changed = fields.some(({ name }) => sampling.value[name] !== defaultSampling[name]);
  return (
    <details class="folded">
      <summary>
        Sampling: <span class="quiet">{words.join(", ")}</span>
      </summary>
      <div class="sampling">
        {fields.map(({ name, label, help, ...range }) => (
          <label key={name}>
            <span>{label}</span>
            <input
              type="number"
              {...range}
              value={sampling.value[name] ?? ""}
              aria-describedby={`about-${name}`}
              onChange={(event) => {
                const { valueAsNumber, validity, value } = event.currentTarget;
                const given = value === "" && name === "max_tokens" ? null : valueAsNumber;
                if (!validity.valid || Number.isNaN(given)) {
                  event.currentTarget.value = String(sampling.value[name] ?? "");
                  return;
                }
                sampling.value = { ...sampling.value, [name]: given };
              }}
            />
            <span class="help" id={`about-${name}`}>{help}</span>
          </label>
        ))}
        <div class="row">
          <button
            type="button"
            class="quiet-button"
            onClick={() =>
              sampling.value = {
                ...sampling.value,
                seed: crypto.getRandomValues(new Uint32Array(1))[0] ?? 0,
              }}
          >
            Another seed
          </button>
          <button
            type="button"
            class="quiet-button"
            disabled={!changed}
            onClick={() => sampling.value = defaultSampling}
          >
            Back to the defaults
          </button>
        </div>
      </div>
    </details>
  );
}
