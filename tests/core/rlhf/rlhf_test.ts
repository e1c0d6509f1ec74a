import assert from "node:assert/strict";
import { adapterOptions, adapters } from "../../../core/adapters/mod.ts";
import {
  adaptedMaps,
  disposeParameters,
  initParameters,
  loadParameters,
  readParameters,
} from "../../../core/adapters/parameters.ts";
import { aggregationOf, aggregations } from "../../../core/aggregation/mod.ts";
import { RunConfig } from "../../../core/config.ts";
import { createCritic, initCritic, loadCritic } from "../../../core/critic.ts";
import type { Engine } from "../../../core/engine/mod.ts";
import type { DivergedError } from "../../../core/errors.ts";
import type { AdapterSource } from "../../../core/generate/decoder.ts";
import { createPolicy } from "../../../core/policy.ts";
import { Random } from "../../../core/random.ts";
import type { RewardSource, ScoredResponse } from "../../../core/rewards/reward_source.ts";
import { changeableAfter, rlhf, type RlhfParts, RlhfState } from "../../../core/rlhf/rlhf.ts";
import type { Sequence } from "../../../core/text/pack.ts";
import type { TokenizedPrompt } from "../../../core/text/prompts.ts";
import { policyTokens, type TokenPass, tokenPass } from "../../../core/token_pass.ts";
import type { StepFigures, TrainEvent } from "../../../core/train.ts";
import { eachEngine } from "../../engines.ts";
import { assertSameBits } from "../../near.ts";
import { withDecoder } from "../generate/decoders.ts";
import { holdGolden } from "../models/golden_models.ts";

const dimensions = ["low", "high"];
const END = 2;

/** A run of a few seconds on llama_tied; every test says what it changes. */
function configOf(changes: Partial<RunConfig> = {}): RunConfig {
  return RunConfig.parse({
    objective: "ppo",
    lora_r: 2,
    lora_alpha: 8,
    lora_init: "orthonormal",
    rollout_batch_size: 16,
    per_device_train_batch_size: 8,
    num_ppo_epochs: 2,
    max_new_tokens: 5,
    kl_coef: 0.01,
    lam: 1,
    learning_rate: 2e-2,
    critic_learning_rate: 1e-2,
    adam_beta2: 0.99,
    weight_decay: 0,
    max_steps: 3,
    save_steps: 1000,
    seed: 7,
    ...changes,
  });
}

/** Rewards by what the tokens of a response are: the share below 32, and the share above. */
function shareBelow(): RewardSource {
  return {
    dimensions,
    score: (responses) =>
      Promise.resolve(responses.map(({ sequence: { response } }) => {
        const low = response.filter((id) => id < 32).length / response.length;
        return [low, 1 - low];
      })),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function promptsOf(count: number): TokenizedPrompt[] {
  const random = new Random(3);
  return Array.from({ length: count }, (_, p) => ({
    messages: [{ role: "user", content: `${p}` }],
    ids: Int32Array.from({ length: 1 + p % 4 }, () => random.integer(64)),
    limit: 5,
    better: [0],
  }));
}

interface Outcome {
  figures: StepFigures[];
  checkpoints: RlhfState[];
  parameters: Float32Array[]; // of policy and critic, at the end
  loaded: AdapterSource[]; // what the decoder was given
}

interface Started {
  outcome: Outcome;
  /** The run to its end; an error goes through. */
  finish(): Promise<void>;
}

/** Hands `fn` a run that it drives; frees everything afterwards. */
async function withRun(
  engine: Engine,
  { config = configOf(), signal = new AbortController().signal, ...changes }: {
    config?: RunConfig;
    signal?: AbortSignal;
    rewards?: Pick<RewardSource, "score">;
    ptx?: Sequence[];
    idealPoint?: number[];
    critic?: (pass: TokenPass) => TokenPass;
    onEvent?: (event: TrainEvent) => void;
  },
  fn: (run: Started) => Promise<void>,
): Promise<void> {
  const held = await holdGolden(engine, "llama_tied");
  const maps = adaptedMaps(held.config, "layers.");
  const adapter = adapters.svd_lora(adapterOptions(config, 2));
  const shape = { adapter, maps, objectives: 2, config: held.config };
  const random = new Random(1);
  const initial = initParameters(adapter, maps, { config: held.config, random });
  const parameters = loadParameters(adapter, maps, initial);
  const critic = loadCritic(shape, initCritic(shape, random.fork("critic")));
  const sizes = { rowLength: 32, maxTokens: 256 };
  const adapted = { adapter, objectives: 2 };
  const policy = createPolicy(engine, held, { ...adapted, parameters });
  const value = createCritic(engine, held, { ...adapted, parameters: critic });
  const outcome: Outcome = { figures: [], checkpoints: [], parameters: [], loaded: [] };
  try {
    await withDecoder("llama_tied", { threads: 1 }, async (decoder) => {
      const { onEvent = () => {}, critic: wrap = (pass) => pass, ...rest } = changes;
      const watched = Object.create(decoder, {
        loadAdapter: {
          value: (source: AdapterSource) => {
            outcome.loaded.push(source);
            return decoder.loadAdapter(source);
          },
        },
      });
      const parts: RlhfParts = {
        engine,
        policy: { adapter, parameters, pass: tokenPass(policyTokens(policy), sizes) },
        critic: { parameters: critic, pass: wrap(tokenPass(value, sizes)) },
        reference: tokenPass(policyTokens(createPolicy(engine, held, null)), sizes),
        decoder: Object.assign(watched, {
          vocabSize: decoder.vocabSize,
          start: decoder.start.bind(decoder),
          prefill: decoder.prefill.bind(decoder),
          step: decoder.step.bind(decoder),
        }),
        tokenizer: {
          decode: (ids) => Array.from(ids, (id) => `w${id} `).join(""),
          specialTokenIds: new Set([END]),
          endTokenIds: new Set([END]),
        },
        rewards: shareBelow(),
        aggregation: aggregationOf(config),
        dimensions,
        prompts: promptsOf(12),
        ptx: [],
        ...rest,
      };
      await fn({
        outcome,
        async finish() {
          try {
            for await (const event of rlhf(config, parts, signal)) {
              if (event.type === "step") outcome.figures.push(event.figures);
              if (event.type === "checkpoint") {
                outcome.checkpoints.push(RlhfState.parse(event.state));
                const names = [...(await event.moments()).keys()];
                assert(names.includes("critic.m.value_head.weight"), "the critic's moments");
              }
              onEvent(event);
            }
          } finally {
            for (const blocks of [parameters, critic]) {
              const stored = await readParameters(blocks);
              outcome.parameters.push(...[...stored.values()].map(({ values }) => values));
            }
          }
        },
      });
    });
  } finally {
    disposeParameters(parameters);
    disposeParameters(critic);
    held.dispose();
  }
}

/** Mean of a column over the first or last few iterations. */
function column(figures: StepFigures[], name: string): number[] {
  return figures.map(({ metrics }) => metrics?.[name] ?? NaN);
}

for (const aggregation of ["ls", "tche"] as const) {
  eachEngine(
    `rlhf() earns more from iteration to iteration: ${aggregation}`,
    async (engine) => {
      const config = configOf({
        aggregation,
        fixed_preference: "1,0",
        max_steps: 8,
        rollout_batch_size: 32,
        learning_rate: 5e-2,
      });
      await withRun(engine, { config }, async ({ outcome, finish }) => {
        await finish();
        const { figures, checkpoints, loaded } = outcome;
        assert.equal(figures.length, 8);
        const earned = column(figures, "reward/low"); // all that counts at λ = (1, 0)
        const mean = (values: number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
        const gained = mean(earned.slice(4)) - mean(earned.slice(0, 2)); // one alone is mostly chance
        assert(gained > 0.1, `${earned.map((value) => value.toFixed(3))}`);
        assert.equal(checkpoints.at(-1)?.step, 8);
        // The decoder was given the policy anew before each rollout, as the engine has it.
        assert.equal(loaded.length, 8);
        column(figures, "decoder_gap").forEach((gap) => assert(gap < 1e-4, `gap ${gap}`));
        const first = loaded[0]?.parameters.get("model.layers.0.self_attn.q_proj.sigma");
        const last = loaded.at(-1)?.parameters.get("model.layers.0.self_attn.q_proj.sigma");
        assert.notDeepEqual(last?.values, first?.values);
      });
    },
    { engines: ["tensorflow"] },
  );
}

eachEngine(
  "rlhf() runs under every aggregation, with an ideal point where it needs one",
  async (engine) => {
    const seen = new Set<string>();
    for (const aggregation of Object.keys(aggregations) as RunConfig["aggregation"][]) {
      const config = configOf({ aggregation, max_steps: 2, rollout_batch_size: 8 });
      await withRun(engine, { config }, async ({ outcome, finish }) => {
        await finish();
        const { figures, checkpoints } = outcome;
        assert.equal(checkpoints.at(-1)?.step, 2);
        const [first] = figures;
        const { needs } = aggregationOf(config);
        assert.equal("ideal_point/low" in (first?.metrics ?? {}), needs.idealPoint);
        const reward = first?.metrics?.reward ?? NaN;
        assert(Number.isFinite(reward) && !seen.has(`${reward}`), `${aggregation}: ${reward}`);
        seen.add(`${reward}`); // of the same answers: the first ones
      });
    }
  },
);

eachEngine("rlhf() tells of every dimension what the metric rows hold", async (engine) => {
  const ptx = [{ prompt: Int32Array.of(1, 4), response: Int32Array.of(9, 30, END) }];
  const config = configOf({ max_steps: 2, ptx_coef: 0.5 });
  await withRun(engine, { config, ptx }, async ({ outcome, finish }) => {
    await finish();
    const [first, second] = outcome.figures;
    const metrics = first?.metrics ?? {};
    for (const name of ["kl", "length", "clip_fraction", "explained_variance", "reward"]) {
      for (const key of [name, `${name}/low`, `${name}/high`]) assert(key in metrics, key);
    }
    for (const name of ["entropy", "ended", "value_loss", "ptx_loss", "critic_grad_norm"]) {
      assert(Number.isFinite(metrics[name]), name);
    }
    // At the start the policy is the reference, and the two rewards of a response add up to 1.
    assert.equal(metrics.kl, 0);
    assert(Math.abs((metrics["reward/low"] ?? 0) + (metrics["reward/high"] ?? 0) - 1) < 1e-6);
    assert.notEqual(second?.metrics?.kl, 0);
    assert.equal(first?.steps, 2);
    assert((first?.tokens ?? 0) > 0 && (first?.gradNorm ?? 0) > 0);
    const [state] = outcome.checkpoints;
    assert.equal(state?.updates, 2 * 2 * 2); // iterations, epochs, parts of 8 answers
    assert.notEqual(state?.ptxSampler, null);
  });
});

eachEngine("rlhf(): the same run twice gives the same bits", async (engine) => {
  const found: Outcome[] = [];
  for (const _ of [1, 2]) {
    await withRun(engine, {}, async ({ outcome, finish }) => {
      await finish();
      found.push(outcome);
    });
  }
  const [first, second] = found;
  first?.parameters.forEach((values, i) =>
    assertSameBits(values, second?.parameters[i] ?? new Float32Array(), `parameter ${i}`)
  );
}, { engines: ["tensorflow"] });

eachEngine(
  "rlhf(): an abort gives the iteration up and saves the last whole one",
  async (engine) => {
    const controller = new AbortController();
    let scored = 0;
    const rewards = {
      score(responses: ScoredResponse[]) {
        if (++scored === 3) controller.abort();
        return shareBelow().score(responses);
      },
    };
    const { signal } = controller;
    await withRun(engine, { config: configOf({ max_steps: 9 }), signal, rewards }, async (run) => {
      await run.finish();
      assert.equal(run.outcome.figures.length, 2);
      assert.deepEqual(run.outcome.checkpoints.map(({ step }) => step), [2]);
    });
  },
);

eachEngine("rlhf(): a reward source that breaks loses nothing", async (engine) => {
  let scored = 0;
  const rewards = {
    score(responses: ScoredResponse[]) {
      if (++scored === 3) throw new TypeError("Cannot score: out of order");
      return shareBelow().score(responses);
    },
  };
  await withRun(engine, { config: configOf({ max_steps: 9 }), rewards }, async (run) => {
    await assert.rejects(run.finish(), { name: "TypeError" });
    assert.deepEqual(run.outcome.checkpoints.map(({ step }) => step), [2]);
  });
});

/** A critic whose learning rate rises until it is absurd. */
const breaking = configOf({
  critic_learning_rate: 10,
  warmup_ratio: 1,
  max_steps: 40,
  save_steps: 1,
  rollout_batch_size: 8,
});

/** The policy's parameters as the decoder was given them for the iteration after `step`. */
function policyAfter({ loaded }: Outcome, step: number): Float32Array[] {
  return [...loaded[step]?.parameters.values() ?? []].map(({ values }) => values);
}

function assertPolicyOf(outcome: Outcome, step: number): void {
  const wanted = policyAfter(outcome, step);
  assert(wanted.length > 0);
  wanted.forEach((values, i) =>
    assertSameBits(outcome.parameters[i] ?? new Float32Array(), values, `parameter ${i}`)
  );
}

eachEngine(
  "rlhf(): a run that goes astray is back at its last healthy step, saved, before it stops",
  async (engine) => {
    let healthy = NaN;
    await withRun(engine, { config: breaking }, async ({ outcome, finish }) => {
      const message = /^Cannot go on training after step \d+: expected a critic within reach of /;
      await assert.rejects(finish(), (error: DivergedError) => {
        healthy = error.step ?? NaN;
        assert.match(error.message, message);
        assert.deepEqual(error.remedy, { critic_learning_rate: 2.5 });
        return true;
      });
      const last = outcome.checkpoints.at(-1);
      assert(last?.step === healthy && healthy > 0, `${last?.step} and ${healthy}`);
      // Three iterations showed the sign, of which the first was only seen after its policy was saved.
      assert.equal(outcome.figures.length, healthy + 3);
      assert.deepEqual(outcome.checkpoints.slice(-2).map(({ step }) => step), [
        healthy + 1,
        healthy,
      ]);
      assertPolicyOf(outcome, healthy);
      const [stop] = last.stops;
      assert.equal(stop?.step, healthy);
      assert.match(stop?.reason ?? "", message);
      assert.equal(stop?.settings.critic_learning_rate, 10);
      assert(changeableAfter(last).includes("critic_learning_rate"));
      assert.deepEqual(changeableAfter(outcome.checkpoints.at(-2)), []);
      assert.deepEqual(changeableAfter({ step: 3 }), []);
    });
    // Stopped by hand while it shows the sign, it saves the healthy step too.
    const controller = new AbortController();
    const onEvent = (event: TrainEvent) => {
      if (event.type === "step" && event.figures.step === healthy + 2) controller.abort();
    };
    const { signal } = controller;
    await withRun(engine, { config: breaking, signal, onEvent }, async ({ outcome, finish }) => {
      await finish();
      assert.equal(outcome.checkpoints.at(-1)?.step, healthy);
      assert.deepEqual(outcome.checkpoints.at(-1)?.stops, []);
      assertPolicyOf(outcome, healthy);
    });
  },
  { engines: ["tensorflow"] },
);

eachEngine("rlhf(): what breaks in the midst of updates loses no whole step", async (engine) => {
  const config = configOf({ max_steps: 9 });
  let updates = 0;
  const broken = (pass: TokenPass): TokenPass => ({
    ...pass,
    forward(...batch) {
      if (++updates === 3 * 4 + 2) throw new TypeError("Cannot compute: the device is gone");
      return pass.forward(...batch);
    },
  });
  await withRun(engine, { config, critic: broken }, async ({ outcome, finish }) => {
    await assert.rejects(finish(), { name: "TypeError" });
    assert.deepEqual(outcome.checkpoints.map(({ step, updates }) => [step, updates]), [[3, 12]]);
    assertPolicyOf(outcome, 3); // in the fourth iteration it had been updated twice
  });
});

/** A source whose rewards `change` makes of good ones. */
function changed(change: (row: number[], n: number, call: number) => number[]) {
  let call = 0;
  return {
    async score(responses: ScoredResponse[]) {
      call++;
      const rows = await shareBelow().score(responses);
      return rows.map((row, n) => change(row, n, call));
    },
  };
}

eachEngine(
  "rlhf() refuses rewards that nothing can be learnt from, in one sentence",
  async (engine) => {
    const reward_model = "runs/rm";
    const cases: [Parameters<typeof withRun>[1], Partial<DivergedError>][] = [
      [{ rewards: changed((row) => [row[0] ?? 0, 1.5]) }, {
        name: "InputError",
        message: "Cannot learn from the rewards of runs/rm: expected rewards that differ between " +
          "responses, got 1.5 for all 16 in the dimension high",
      }],
      [{ rewards: changed((row, n, call) => n === 3 && call === 2 ? [NaN, 0] : row) }, {
        name: "DivergedError",
        message:
          "Cannot use the rewards of runs/rm: expected finite numbers, got NaN for response " +
          "3 in the dimension low",
        remedy: {},
        step: 0,
      }],
    ];
    for (const [changes, expected] of cases) {
      await withRun(engine, { config: configOf({ reward_model }), ...changes }, async (run) => {
        await assert.rejects(run.finish(), expected);
        assert.deepEqual(run.outcome.checkpoints, []);
      });
    }
    const config = configOf({ aggregation: "tche" });
    await withRun(engine, { config, idealPoint: [1, 0.1] }, async (run) => {
      await assert.rejects(run.finish(), {
        name: "InputError",
        message: /^Cannot use the ideal point: .* of high, got 0.1 below a reward of /,
      });
    });
  },
);
