import assert from "node:assert/strict";
import { RunConfig } from "../../../core/config.ts";
import { DivergedError } from "../../../core/errors.ts";
import { checkHealth, type Health, newHealth, type Vitals } from "../../../core/rlhf/health.ts";

const well: Vitals = {
  kl: 0.4,
  klError: 0.05,
  entropy: 0.2,
  surprise: 0.3,
  chance: 6.9,
  empty: 0,
  ended: 0.9,
  valueLoss: 0.01,
  returnSquares: 0.3,
  decoderGap: 1e-5,
};

const config = RunConfig.parse({
  kl_coef: 0.02,
  learning_rate: 1e-3,
  critic_learning_rate: 2e-3,
  temperature: 1.5,
  rollout_format: "int4",
});

/** Health after iterations with these vitals, from `step` 1 on. */
function after(iterations: Partial<Vitals>[], health: Health = newHealth): Health {
  return iterations.reduce(
    (health, vitals, i) => checkHealth(health, { ...well, ...vitals }, { step: i + 1, config }),
    health,
  );
}

const closer = { kl_coef: 0.08, learning_rate: 2.5e-4 };

/** A vital that shows each sign, what the message says of it, and the settings that help. */
const signs: Record<
  string,
  Pick<DivergedError, "message" | "remedy"> & { vitals: Partial<Vitals> }
> = {
  negativeKl: {
    vitals: { kl: -2, klError: 0.1 },
    message: "a KL divergence from the reference of at least 0, got -2 nats a response",
    remedy: { temperature: 1, rollout_format: "float32" },
  },
  collapsedEntropy: {
    vitals: { entropy: 0.0011 },
    message: "responses that vary, got an entropy of 0.0011 nats a token after 0.2 at the start",
    remedy: closer,
  },
  gibberish: {
    vitals: { surprise: 13.36 },
    message: "responses that the reference can follow, got 13.4 nats of surprise a token where " +
      "tokens drawn at random have 6.9",
    remedy: closer,
  },
  emptyResponses: {
    vitals: { empty: 0.8 },
    message: "responses with text, got 80 % empty ones, as the rewards prefer them",
    remedy: closer,
  },
  endlessResponses: {
    vitals: { ended: 0.05 },
    message: "responses that end within max_new_tokens, got 5 % of them after 90 % at the start",
    remedy: closer,
  },
  explodingValueLoss: {
    vitals: { valueLoss: 1234 },
    message: "a critic within reach of the returns, got a value loss of 1230 where 0 everywhere " +
      "would give 0.3",
    remedy: { critic_learning_rate: 5e-4 },
  },
  decoderGap: {
    vitals: { decoderGap: 0.7 },
    message: "responses drawn from the policy that is trained, got log-probabilities 0.7 nats a " +
      "token apart in decoder and training engine",
    remedy: { rollout_format: "float32" },
  },
};

for (const [name, { vitals, message, remedy }] of Object.entries(signs)) {
  Deno.test(`checkHealth(): ${name} stops the run when it lasts, with the reason`, () => {
    after([{}, vitals, vitals, {}, vitals, vitals]); // comes and goes
    assert.throws(() => after([{}, vitals, vitals, vitals]), {
      name: "DivergedError",
      message: `Cannot go on training after step 3: expected ${message}, for 3 iterations in a row`,
      remedy,
    });
    // as a resumed run goes on counting
    const stored = JSON.parse(JSON.stringify(after([{}, vitals, vitals])));
    assert.throws(() => after([vitals], stored), { name: "DivergedError" });
  });
}

Deno.test("checkHealth() stops at once where a vital is not finite", () => {
  for (const name of Object.keys(well)) {
    for (const value of [NaN, Infinity]) {
      assert.throws(() => after([{}, { [name]: value }]), {
        name: "DivergedError",
        message: `Cannot go on training after step 1: expected a finite ${name}, got ${value}`,
        remedy: { learning_rate: 2.5e-4, critic_learning_rate: 5e-4 },
      });
    }
  }
});

Deno.test("checkHealth(): chance and a start of long answers are no signs", () => {
  after(Array(5).fill({ kl: -0.3, klError: 0.2 })); // 4 standard errors reach 0
  after(Array(5).fill({ kl: -0.01, klError: 1e-9 })); // rounding
  after(Array(5).fill({ surprise: 8, entropy: 5 })); // of a reference that is near chance itself
  after(Array(5).fill({ ended: 0 })); // no answer ever ended within the limit
  after(Array(5).fill({ valueLoss: 1e-7, returnSquares: 0 })); // nothing to earn, nothing expected
});
