import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { adapterOptions, adapters } from "../../core/adapters/mod.ts";
import {
  adaptedMaps,
  disposeParameters,
  initParameters,
  loadParameters,
  readParameters,
  type StoredParameters,
} from "../../core/adapters/parameters.ts";
import { aggregationOf, aggregations } from "../../core/aggregation/mod.ts";
import { batchPass } from "../../core/batch_pass.ts";
import { RunConfig } from "../../core/config.ts";
import type { Engine } from "../../core/engine/mod.ts";
import { DivergedError } from "../../core/errors.ts";
import { pairSequences, scoreSequences } from "../../core/front/evaluate.ts";
import type { HeldDecoder } from "../../core/models/held.ts";
import { createPolicy } from "../../core/policy.ts";
import { pairObjectives } from "../../core/objectives/mod.ts";
import { Random } from "../../core/random.ts";
import type { TokenizedPair } from "../../core/text/example.ts";
import { rowLengthFor } from "../../core/text/pack.ts";
import { ExampleSampler } from "../../core/text/sampler.ts";
import {
  examplesInUse,
  type StepFigures,
  totalSteps,
  train,
  TrainerState,
  type TrainParts,
} from "../../core/train.ts";
import { eachEngine } from "../engines.ts";
import { assertNear, assertSameBits } from "../near.ts";
import { holdGolden } from "./models/golden_models.ts";

type Label = 0 | 1 | null;
type PairParts = TrainParts<TokenizedPair>;

/** A run of a few seconds; every test says what it changes. */
function configOf(changes: Partial<RunConfig> = {}): RunConfig {
  return RunConfig.parse({
    lora_r: 2,
    lora_alpha: 8,
    lora_init: "orthonormal",
    beta: 0.3,
    per_device_train_batch_size: 3,
    max_tokens_per_pass: 256,
    learning_rate: 2e-2,
    max_steps: 4,
    save_steps: 1000,
    seed: 7,
    ...changes,
  });
}

/** Random token pairs; dimension i prefers responses that begin with an id below 32, or the others. */
function pairsOf(
  count: number,
  { dimensions = 2, separate = true, seed = 11 } = {},
): TokenizedPair[] {
  const random = new Random(seed);
  const ids = (length: number) => Array.from({ length }, () => random.integer(64));
  return Array.from({ length: count }, (_, p) => {
    const low = [random.integer(32), ...ids(1 + random.integer(3)), 2];
    const high = [32 + random.integer(32), ...ids(1 + random.integer(3)), 2];
    const labels = Array.from({ length: dimensions }, (_, i): Label => {
      if (separate && p % dimensions !== i) return null;
      return i % 2 === 0 ? 0 : 1;
    });
    return {
      prompt: Int32Array.from([1, ...ids(1 + random.integer(4))]),
      responses: [Int32Array.from(low), Int32Array.from(high)],
      better: labels,
    };
  });
}

interface Outcome {
  figures: Omit<StepFigures, "seconds">[];
  parameters: StoredParameters;
  checkpoints: { state: TrainerState; moments: StoredParameters; parameters: StoredParameters }[];
}

interface World {
  engine: Engine;
  decoder: HeldDecoder;
  pairs: TokenizedPair[];
  dimensions: string[];
  config: RunConfig;
}

/** A world on the checkpoint llama_tied. Caller disposes the decoder. */
async function worldOf(
  engine: Engine,
  changes: Partial<RunConfig> = {},
  { dimensions = 2, pairs = pairsOf(12, { dimensions }) } = {},
): Promise<World> {
  const decoder = await holdGolden(engine, "llama_tied");
  const names = ["helpful", "harmless", "concise"].slice(0, dimensions);
  return { engine, decoder, pairs, dimensions: names, config: configOf(changes) };
}

/** Runs train() to its end, or until `stopAfter` steps, and frees everything but the decoder. */
async function run(
  { engine, decoder, pairs, dimensions, config }: World,
  { from, alter, stopAfter = Infinity, into: outcome = emptyOutcome() }: {
    from?: Outcome["checkpoints"][number];
    alter?: (parts: PairParts) => void;
    stopAfter?: number;
    into?: Outcome; // also filled where the run throws
  } = {},
): Promise<Outcome> {
  const adapter = adapters[config.adapter](adapterOptions(config, dimensions.length));
  const maps = adaptedMaps(decoder.config, config.lora_target_modules);
  const start = from?.parameters ?? initParameters(adapter, maps, {
    config: decoder.config,
    random: new Random(config.seed).fork("adapter"),
  });
  const parameters = loadParameters(adapter, maps, start);
  const sequences = pairSequences(pairs);
  const rowLength = rowLengthFor(sequences);
  const [reference = new Float32Array()] = await scoreSequences(
    createPolicy(engine, decoder, null),
    sequences,
    [[]],
    { rowLength, maxTokens: 256 },
  );
  const parts: PairParts = {
    engine,
    pass: batchPass(
      createPolicy(engine, decoder, { adapter, objectives: dimensions.length, parameters }),
      { rowLength, maxTokens: config.max_tokens_per_pass },
    ),
    adapter,
    parameters,
    objective: pairObjectives.dpo(config, dimensions),
    aggregation: aggregationOf(config),
    dimensions,
    examples: pairs,
    referenceLogProbs: reference,
    ...from && { resume: { state: from.state, moments: from.moments } },
  };
  alter?.(parts);
  const controller = new AbortController();
  try {
    for await (const event of train(config, parts, controller.signal)) {
      if (event.type === "step") {
        const { seconds, ...figures } = event.figures;
        assert(seconds > 0);
        outcome.figures.push(figures);
        if (figures.step === stopAfter) controller.abort();
      }
      if (event.type === "checkpoint") {
        outcome.checkpoints.push({
          state: TrainerState.parse(JSON.parse(JSON.stringify(event.state))),
          moments: await event.moments(),
          parameters: await readParameters(parameters),
        });
      }
    }
    return outcome;
  } finally {
    outcome.parameters = await readParameters(parameters);
    disposeParameters(parameters);
  }
}

function emptyOutcome(): Outcome {
  return { figures: [], parameters: new Map(), checkpoints: [] };
}

function assertSameParameters(actual: StoredParameters, expected: StoredParameters): void {
  assert.deepEqual([...actual.keys()], [...expected.keys()]);
  for (const [name, { values }] of actual) {
    assertSameBits(values, expected.get(name)?.values ?? new Float32Array(), name);
  }
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

eachEngine("train(): the loss falls in thirty steps, in every dimension", async (engine) => {
  const world = await worldOf(engine, { max_steps: 30 });
  const { figures } = await run(world);
  world.decoder.dispose();
  assert.equal(figures.length, 30);
  // a fresh adapter is the reference: every loss starts at log 2, every pair is a tie
  assertNear(figures[0]?.losses ?? [], [Math.LN2, Math.LN2], { tolerance: 1e-5 });
  assertNear([figures[0]?.loss ?? NaN], [Math.LN2], { tolerance: 1e-5 });
  for (const i of [0, 1]) {
    const last = mean(figures.slice(-5).map(({ losses }) => losses[i] ?? NaN));
    assert(last < 0.6 * Math.LN2, `the loss of dimension ${i} ends at ${last}`);
    assert(mean(figures.slice(-5).map(({ accuracies }) => accuracies[i] ?? NaN)) > 0.7);
  }
});

eachEngine("train(): the same seed gives the same bits, another seed others", async (engine) => {
  const world = await worldOf(engine);
  const first = await run(world);
  const second = await run(world);
  assert.deepEqual(second.figures, first.figures);
  assertSameParameters(second.parameters, first.parameters);
  const other = await run({ ...world, config: configOf({ seed: 8 }) });
  assert.notDeepEqual(other.figures, first.figures);
  world.decoder.dispose();
}, { threads: 2 });

for (
  const [what, changes] of Object.entries<Partial<RunConfig>>({
    "a λ per pair": {},
    "accumulation, one λ, Tchebycheff, penalty": {
      gradient_accumulation_steps: 2,
      preferences_per_step: 1,
      aggregation: "tche",
      orthogonality: 0.1,
      max_tokens_per_pass: 64,
      vertex_share: 0.3,
      per_device_train_batch_size: 2,
    },
  })
) {
  eachEngine(
    `train(): half a run and its resumption are the whole, bit for bit (${what})`,
    async (engine) => {
      const steps = engine.name === "wasm" ? 4 : 20;
      const world = await worldOf(engine, { max_steps: 2 * steps, save_steps: steps, ...changes });
      const whole = await run(world);
      const half = await run(world, { stopAfter: steps });
      assert.equal(half.figures.length, steps);
      const from = half.checkpoints.at(-1);
      assert.equal(from?.state.step, steps);
      const rest = await run(world, { from });
      world.decoder.dispose();
      assert.deepEqual([...half.figures, ...rest.figures], whole.figures);
      assertSameParameters(rest.parameters, whole.parameters);
      const [end, expected] = [rest.checkpoints.at(-1), whole.checkpoints.at(-1)];
      assert(end && expected);
      assertSameParameters(end.moments, expected.moments);
      const { seconds: _, ...state } = end.state;
      const { seconds: __, ...wanted } = expected.state;
      assert.deepEqual(state, wanted);
      assert.equal(whole.checkpoints.length, 2);
      assertSameParameters(
        whole.checkpoints[0]?.parameters ?? new Map(),
        from?.parameters ?? new Map(),
      );
    },
    { threads: 2, dtype: "bfloat16" },
  );
}

eachEngine("train(): accumulated micro-steps make one step of their mean", async (engine) => {
  // One pool of four pairs: two micro-steps of two pairs see the four that one step of four sees.
  const pairs = pairsOf(4, { separate: false });
  const config = { max_steps: 1, preferences_per_step: 1, max_grad_norm: 0, vertex_share: 1 };
  const world = await worldOf(engine, { ...config, per_device_train_batch_size: 4 }, { pairs });
  // λ is fixed to one corner by the aggregation, so that both ways see the same loss.
  const alter = (parts: PairParts) => {
    parts.aggregation = { ...aggregations.ls(), loss: (losses) => tf.mean(losses, 1) };
  };
  const whole = await run(world, { alter });
  const split = configOf({
    ...config,
    per_device_train_batch_size: 2,
    gradient_accumulation_steps: 2,
  });
  const accumulated = await run({ ...world, config: split }, { alter });
  world.decoder.dispose();
  const [a, b] = [whole.figures[0], accumulated.figures[0]];
  assert(a && b);
  assertNear([b.loss, b.gradNorm, b.tokens], [a.loss, a.gradNorm, a.tokens], { tolerance: 1e-4 });
});

eachEngine("train(): a batch in several passes makes the step of one pass", async (engine) => {
  const world = await worldOf(engine, { max_steps: 2 });
  const whole = await run(world);
  const several = await run({
    ...world,
    config: configOf({ max_steps: 2, max_tokens_per_pass: 32 }),
  });
  world.decoder.dispose();
  for (const [i, { loss, losses, gradNorm }] of whole.figures.entries()) {
    const found = several.figures[i];
    assertNear([found?.loss ?? NaN, ...found?.losses ?? []], [loss, ...losses], {
      tolerance: 1e-5,
    });
    assertNear([found?.gradNorm ?? NaN], [gradNorm], { tolerance: 1e-4 });
  }
});

eachEngine(
  "train(): the adapter of three dimensions, and one λ for a whole step",
  async (engine) => {
    for (const preferences_per_step of [0, 1]) {
      const pairs = pairsOf(9, { dimensions: 3 });
      const world = await worldOf(engine, { preferences_per_step }, { dimensions: 3, pairs });
      const { figures, parameters } = await run(world);
      world.decoder.dispose();
      assert.deepEqual(parameters.get("model.layers.0.mlp.up_proj.V")?.shape, [16, 5]);
      for (const { loss, losses, accuracies } of figures) {
        assert([loss, ...losses, ...accuracies].every(Number.isFinite));
        assert.equal(losses.length, 3);
      }
    }
  },
);

eachEngine("train(): λ and the number of groups reach the aggregation", async (engine) => {
  for (const [preferences_per_step, groups] of [[1, 1], [2, 2], [0, 3]] as const) {
    const world = await worldOf(engine, { preferences_per_step, max_steps: 2 });
    const seen: number[][][] = [];
    await run(world, {
      alter: (parts) => {
        const loss = parts.aggregation.loss;
        parts.aggregation = {
          ...parts.aggregation,
          loss(losses, preference) {
            seen.push(preference.arraySync());
            return loss(losses, preference);
          },
        };
      },
    });
    world.decoder.dispose();
    assert.deepEqual(seen.map(({ length }) => length), [groups, groups]);
    for (const λ of seen.flat()) assertNear([mean(λ) * 2], [1]);
    assert.notDeepEqual(seen[0], seen[1]);
  }
});

eachEngine(
  "train(): a fixed preference is every group's, whatever the kind of adapter",
  async (engine) => {
    for (const adapter of ["svd_lora", "plain_svd_lora", "lora"] as const) {
      const world = await worldOf(engine, {
        adapter,
        fixed_preference: "0.25,0.75",
        orthogonality: 0.1,
        max_steps: 3,
      });
      const seen: number[][][] = [];
      const { figures } = await run(world, {
        alter: (parts) => {
          const { loss } = parts.aggregation;
          parts.aggregation = {
            ...parts.aggregation,
            loss(losses, preference) {
              seen.push(preference.arraySync());
              return loss(losses, preference);
            },
          };
        },
      });
      world.decoder.dispose();
      assert.deepEqual(seen.flat(), Array(9).fill([0.25, 0.75]));
      assert.equal(figures.length, 3);
      assert(figures.every(({ loss, gradNorm }) => Number.isFinite(loss) && gradNorm > 0));
    }
  },
);

eachEngine("train(): the orthogonality penalty reaches U and V", async (engine) => {
  const options = { lora_init: "gaussian", max_grad_norm: 0, max_steps: 3 } as const;
  const without = await worldOf(engine, options);
  const plain = await run(without);
  const heavy = await run({ ...without, config: configOf({ ...options, orthogonality: 10 }) });
  without.decoder.dispose();
  const name = "model.layers.1.mlp.gate_proj.U"; // (4, 24), drawn with standard deviation 0.02
  const size = (outcome: Outcome) => Math.hypot(...outcome.parameters.get(name)?.values ?? []);
  assert(size(heavy) > 1.2 * size(plain), "rows of U should grow towards length 1");
  assert((heavy.figures[0]?.gradNorm ?? 0) > 10 * (plain.figures[0]?.gradNorm ?? NaN));
  assertNear([heavy.figures[0]?.loss ?? NaN], [plain.figures[0]?.loss ?? NaN]);
});

eachEngine("train(): clipping bounds the step, not the reported norm", async (engine) => {
  const world = await worldOf(engine, { max_steps: 1, max_grad_norm: 1e-3, adam_epsilon: 1 });
  const clipped = await run(world);
  const free = await run({
    ...world,
    config: configOf({ max_steps: 1, max_grad_norm: 0, adam_epsilon: 1 }),
  });
  world.decoder.dispose();
  assert.equal(clipped.figures[0]?.gradNorm, free.figures[0]?.gradNorm);
  const norm = free.figures[0]?.gradNorm ?? NaN;
  assert(norm > 0.1);
  // with ε = 1 ≫ √v the first step is rate·g: clipping scales what changes by 1e-3/norm
  const name = "model.layers.0.self_attn.v_proj.sigma";
  const scale = (outcome: Outcome) => Math.hypot(...outcome.parameters.get(name)?.values ?? []);
  assertNear([scale(clipped) / scale(free)], [1e-3 / norm], { tolerance: 0.1 });
});

eachEngine(
  "train(): a number that is not finite stops it, named, and is never kept",
  async (engine, t) => {
    const poison = (parts: PairParts) => {
      const [tensor] = parts.parameters[0]?.tensors.splice(0, 1) ?? [];
      assert(tensor);
      parts.parameters[0]?.tensors.unshift(tf.fill(tensor.shape, NaN));
      tensor.dispose();
    };
    const cases: [string, Partial<RunConfig>, (parts: PairParts) => void, RegExp][] = [
      [
        "a reference score",
        {},
        ({ referenceLogProbs }) => referenceLogProbs.fill(NaN),
        /finite loss of dimension helpful at step 1 with λ \[0\.\d{3},0\.\d{3}\], \[/,
      ],
      ["a parameter", {}, poison, /finite loss of dimension helpful at step 1 with λ \[/],
      ["a huge learning rate", { learning_rate: 1e30 }, () => {}, /step [234] with λ \[/],
      [
        "a gradient",
        {},
        (parts) => {
          parts.aggregation = {
            ...aggregations.ls(),
            loss: (losses) => tf.mul(tf.sqrt(tf.mul(tf.mean(losses, 1), 0)), 1),
          };
        },
        /finite gradient at step 1 with λ \[/,
      ],
    ];
    for (const [what, changes, alter, message] of cases) {
      await t.step(what, async () => {
        const world = await worldOf(engine, changes);
        const live = { tfjs: tf.memory().numTensors, engine: engine.liveTensors() };
        const diverged = emptyOutcome();
        await assert.rejects(
          run(world, { alter, into: diverged }),
          (error) => error instanceof DivergedError && message.test(error.message),
        );
        assert.deepEqual(diverged.checkpoints, []);
        assert.deepEqual({ tfjs: tf.memory().numTensors, engine: engine.liveTensors() }, live);
        world.decoder.dispose();
      });
    }
  },
);

eachEngine(
  "train(): no checkpoint holds a number that is not finite, even at the last step",
  async (engine) => {
    // 1e39 is beyond float32: the update itself overflows, and no later loss would tell.
    const world = await worldOf(engine, { learning_rate: 1e39, max_steps: 1 });
    await assert.rejects(run(world), DivergedError);
    world.decoder.dispose();
  },
);

eachEngine(
  "train(): checkpoints, evaluations and the end come when they should",
  async (engine) => {
    const world = await worldOf(engine, { max_steps: 7, save_steps: 3, eval_steps: 2 });
    const { checkpoints } = await run(world);
    assert.deepEqual(checkpoints.map(({ state }) => state.step), [3, 6, 7]);
    const stopped = await run(world, { stopAfter: 4 });
    assert.deepEqual(stopped.checkpoints.map(({ state }) => state.step), [3, 4]);
    assert.equal(stopped.figures.length, 4);
    const nothing = await run(world, { from: checkpoints.at(-1) });
    assert.deepEqual([nothing.figures, nothing.checkpoints], [[], []]);
    const moments = checkpoints[0]?.moments;
    assert.deepEqual([...moments?.keys() ?? []].slice(0, 2), [
      "m.model.layers.0.self_attn.q_proj.V",
      "m.model.layers.0.self_attn.q_proj.U",
    ]);
    await assert.rejects(
      run(world, {
        from: { ...checkpoints[0], moments: new Map() } as Outcome["checkpoints"][number],
      }),
      /optimiser state lacks m\.model/,
    );
    world.decoder.dispose();
  },
);

/** Lets the pass break at its `at`-th forward or backward, counted from 1. */
function breaking(parts: PairParts, way: "forward" | "backward", at: number): void {
  const { pass } = parts;
  let count = 0;
  const check = (now: typeof way) => {
    if (now === way && ++count === at) throw new Error("the device fell off the bus");
  };
  parts.pass = {
    async forward(sequences, preferences) {
      check("forward");
      const trace = await pass.forward(sequences, preferences);
      return {
        ...trace,
        async backward(slopes) {
          try {
            check("backward");
          } catch (error) {
            trace.dispose();
            throw error;
          }
          return await trace.backward(slopes);
        },
      };
    },
  };
}

eachEngine(
  "train(): a pass that breaks leaves the last whole step, from which the run goes on exactly",
  async (engine) => {
    const accumulated = { gradient_accumulation_steps: 2, per_device_train_batch_size: 2 };
    for (
      const [changes, way, at] of [
        [{}, "forward", 4],
        [{}, "backward", 4],
        [accumulated, "backward", 8], // the second micro-step of step 4
      ] as const
    ) {
      const world = await worldOf(engine, { max_steps: 6, ...changes });
      const whole = await run(world);
      const live = { tfjs: tf.memory().numTensors, engine: engine.liveTensors() };
      const broken = emptyOutcome();
      const alter = (parts: PairParts) => breaking(parts, way, at);
      await assert.rejects(run(world, { alter, into: broken }), /fell off the bus/);
      assert.deepEqual({ tfjs: tf.memory().numTensors, engine: engine.liveTensors() }, live);
      assert.deepEqual(broken.figures, whole.figures.slice(0, 3));
      assert.deepEqual(broken.checkpoints.map(({ state }) => state.step), [3]);
      const rest = await run(world, { from: broken.checkpoints[0] });
      world.decoder.dispose();
      assert.deepEqual(rest.figures, whole.figures.slice(3));
      assertSameParameters(rest.parameters, whole.parameters);
    }
  },
);

eachEngine(
  "train(): a pass that breaks saves no step twice, and none before the first",
  async (engine) => {
    const world = await worldOf(engine, { max_steps: 6, save_steps: 2 });
    for (const [at, steps] of [[1, []], [3, [2]], [4, [2, 3]]] as const) {
      const broken = emptyOutcome();
      const alter = (parts: PairParts) => breaking(parts, "forward", at);
      await assert.rejects(run(world, { alter, into: broken }), /fell off the bus/);
      assert.deepEqual(broken.checkpoints.map(({ state }) => state.step), steps);
    }
    world.decoder.dispose();
  },
);

Deno.test("totalSteps(): max_steps, or as many as the epochs take", () => {
  const sampler = new ExampleSampler(pairsOf(10), 2, new Random(1)); // five pairs a dimension
  assert.equal(totalSteps(configOf({ max_steps: 9 }), sampler), 9);
  const epochs = { max_steps: 0, per_device_train_batch_size: 2, num_train_epochs: 2 };
  assert.equal(totalSteps(configOf(epochs), sampler), 6);
  assert.equal(totalSteps(configOf({ ...epochs, gradient_accumulation_steps: 4 }), sampler), 2);
});

Deno.test("examplesInUse() names the pairs whose reference scores a run reads", () => {
  const pairs = pairsOf(40);
  const few = examplesInUse(configOf({ max_steps: 2 }), pairs, 2);
  assert.equal(few.length, 2 * 2 * 3); // steps × dimensions × pairs, none twice in one epoch
  assert.deepEqual(examplesInUse(configOf({ max_steps: 100 }), pairs, 2), pairs.map((_, p) => p));
});

eachEngine("train() reads no reference score but those of examplesInUse()", async (engine) => {
  const world = await worldOf(engine, { max_steps: 2 }, { pairs: pairsOf(40) });
  const used = new Set(examplesInUse(world.config, world.pairs, 2));
  const whole = await run(world);
  const sparse = await run(world, {
    alter: ({ referenceLogProbs }) =>
      referenceLogProbs.forEach((_, s) => {
        if (!used.has(Math.floor(s / 2))) referenceLogProbs[s] = NaN;
      }),
  });
  world.decoder.dispose();
  assert.deepEqual(sparse.figures, whole.figures);
});
