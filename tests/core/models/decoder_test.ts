import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import type { Engine } from "../../../core/engine/mod.ts";
import { noResiduals } from "../../../core/engine/residuals.ts";
import { capped } from "../../../core/models/cap.ts";
import { block, namedVectors } from "../../../core/models/decoder.ts";
import { rmsNorm } from "../../../core/models/norm.ts";
import { mapShape } from "../../../core/models/linear_maps.ts";
import type { HeldDecoder } from "../../../core/models/held.ts";
import { attentionContext, contextOfLayer } from "../../../core/models/attention.ts";
import { createPolicy } from "../../../core/policy.ts";
import { packSequences, type Sequence } from "../../../core/text/pack.ts";
import { eachEngine } from "../../engines.ts";
import golden from "../../golden/llama_logits.json" with { type: "json" };
import smollm2 from "../../golden/smollm2_logits.json" with { type: "json" };
import { assertNear, largestDifference } from "../../near.ts";
import { holdGolden, holdModel, logitsOf, logSoftmax } from "./golden_models.ts";

const smollm2File = Deno.env.get("PANACEA_SMOLLM2_GGUF");

/** Checkpoint on disk → golden logits. A GGUF holds the weights of the folder it was made from. */
const checkpoints: Record<string, keyof typeof golden.logits> = {
  "llama_tied": "tied",
  "llama_untied_sharded": "untied_sharded",
  "llama_linear": "linear",
  "llama_dynamic": "dynamic",
  "llama_llama3": "llama3",
  "llama_yarn": "yarn",
  "llama_gguf/tied.gguf": "tied",
  "llama_gguf/f16.gguf": "linear",
  "llama_gguf/llama3.gguf": "llama3",
};

/** One sequence: its first id is the prompt, so that every later id is predicted. */
function sequenceOf(ids: number[]): Sequence {
  return { prompt: Int32Array.from(ids.slice(0, 1)), response: Int32Array.from(ids.slice(1)) };
}

/** Logits (T, V) and log-probabilities of the next ids (T − 1) of one sequence. */
async function scored(engine: Engine, decoder: HeldDecoder, ids: number[]) {
  const policy = createPolicy(engine, decoder, null);
  const [pack] = packSequences([sequenceOf(ids)], { rowLength: ids.length, maxTokens: ids.length });
  assert(pack);
  const hidden = policy.hidden(pack, []);
  const logits = logitsOf(engine, decoder, hidden);
  const rows = await logits.array() as number[][];
  [hidden, logits].forEach((tensor) => tensor.dispose());
  return { logits: rows, nextLogProbs: await policy.logProbs(pack, []) };
}

function nextOf(rows: number[][], ids: number[]): number[] {
  return ids.slice(1).map((id, t) => logSoftmax(rows[t] ?? [])[id] ?? NaN);
}

eachEngine("createPolicy(): logits equal transformers' on every checkpoint", async (engine, t) => {
  for (const [path, name] of Object.entries(checkpoints)) {
    await t.step(path, async () => {
      const decoder = await holdGolden(engine, path);
      const { logits, nextLogProbs } = await scored(engine, decoder, golden.ids);
      decoder.dispose();
      const expected = golden.logits[name];
      const off = largestDifference(logits.flat(), expected.flat());
      assert(off <= 1e-4, `logits differ by ${off}`);
      const offNext = largestDifference(nextLogProbs, nextOf(expected, golden.ids));
      assert(offNext <= 1e-4, `log-probabilities differ by ${offNext}`);
    });
  }
});

eachEngine(
  "createPolicy(): weights held in bfloat16 stay near the golden logits",
  async (engine) => {
    assert.equal(engine.dtype, "bfloat16");
    const decoder = await holdGolden(engine, "llama_tied");
    const { logits, nextLogProbs } = await scored(engine, decoder, golden.ids);
    decoder.dispose();
    const expected = golden.logits.tied;
    // 8 bits of mantissa: each product is off by up to 2⁻⁹, and these logits reach ±3
    const off = largestDifference(logits.flat(), expected.flat());
    assert(off > 1e-4 && off <= 0.15, `logits differ by ${off}`);
    assertNear(nextLogProbs, nextOf(expected, golden.ids), { tolerance: 0.05 });
  },
  { engines: ["tensorflow"], dtype: "bfloat16" },
);

for (const [dtype, tolerance] of [["float32", 1e-4], ["bfloat16", 0.3]] as const) {
  const name = `createPolicy(): logits of SmolLM2-135M-Instruct equal transformers', ${dtype}`;
  if (!smollm2File) {
    Deno.test({ name: `${name}: skipped, PANACEA_SMOLLM2_GGUF is not set`, ignore: true, fn() {} });
    continue;
  }
  eachEngine(name, async (engine) => {
    const decoder = await holdModel(engine, smollm2File);
    const { logits, nextLogProbs } = await scored(engine, decoder, smollm2.ids);
    decoder.dispose();
    const found = smollm2.positions.map((p) => smollm2.columns.map((c) => logits[p]?.[c] ?? NaN));
    const off = largestDifference(found.flat(), smollm2.logits.flat());
    assert(off <= tolerance, `logits differ by ${off}`);
    const offNext = largestDifference(nextLogProbs, smollm2.nextLogProbs);
    assert(offNext <= tolerance, `log-probabilities differ by ${offNext}`);
    const best = smollm2.positions.map((p) => {
      const row = logits[p] ?? [];
      return row.indexOf(row.reduce((a, b) => Math.max(a, b)));
    });
    if (dtype === "float32") assert.deepEqual(best, smollm2.argmax);
  }, { engines: ["tensorflow"], dtype, threads: 2 });
}

eachEngine("rmsNorm() divides by the root of the mean square and scales", async (engine) => {
  void engine;
  const y = tf.tidy(() => rmsNorm(tf.tensor2d([[3, 4, 0, 0]]), tf.tensor1d([1, 2, 3, 4]), 0));
  // mean square (9 + 16)/4 = 6.25, root 2.5: 3/2.5 = 1.2, 2·4/2.5 = 3.2
  assertNear(await y.data(), [1.2, 3.2, 0, 0]);
  y.dispose();
});

eachEngine("block() with maps that answer zero passes its input on", async (engine) => {
  const decoder = await holdGolden(engine, "llama_tied");
  const { config } = decoder;
  const x = tf.tensor3d(Array.from({ length: 2 * 3 * config.width }, (_, i) => Math.sin(i)), [
    2,
    3,
    config.width,
  ]);
  const y = tf.tidy(() => {
    const [cos, sin, mask] = attentionContext(engine, decoder.config)(
      tf.tensor2d([[0, 1, 2], [0, 1, 0]], [2, 3], "int32"),
      tf.tensor2d([[1, 1, 1], [2, 2, 3]], [2, 3], "int32"),
      tf.zeros([2, 3], "int32"),
    ) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    const norm = tf.ones([config.width]);
    return block(x, {
      config,
      vectors: namedVectors(config, [norm, norm]),
      project: (name, rows) => tf.zeros([rows.shape[0], mapShape(name, config).out]),
      attention: { cos, sin, mask },
      residuals: noResiduals,
    });
  });
  assertNear(await y.data(), await x.data());
  [x, y].forEach((tensor) => tensor.dispose());
  decoder.dispose();
});

eachEngine(
  "attentionContext() shows a token its prompt, its branch up to itself, no more",
  async (engine) => {
    const decoder = await holdGolden(engine, "llama_tied");
    const prepare = engine.compile(attentionContext(engine, decoder.config));
    // one row: a prompt of two tokens with responses of two and one, a sequence of one and one token,
    // two empty places
    const rows = [
      [0, 1, 2, 3, 2, 0, 1, 0, 0], // positions
      [1, 1, 1, 1, 1, 3, 3, 0, 0], // segments
      [0, 0, 1, 1, 2, 0, 1, 0, 0], // branches
    ];
    const inputs = rows.map((row) => tf.tensor2d([row], [1, 9], "int32"));
    const outputs = prepare(...inputs);
    const mask = await outputs[2]?.array() as number[][][][];
    const allowed = mask[0]?.[0]?.map((row) => row.map((value) => value === 0 ? 1 : 0).join(""));
    assert.deepEqual(allowed, [
      "100000000",
      "110000000",
      "111000000",
      "111100000",
      "110010000", // not the other response, though it stands at the same position
      "000001000",
      "000001100",
      "000000011", // nobody reads what empty places compute
      "000000011",
    ]);
    assert.deepEqual(outputs.map(({ shape }) => shape), [[1, 9, 1, 8], [1, 9, 1, 8], [1, 1, 9, 9]]);
    [...inputs, ...outputs].forEach((tensor) => tensor.dispose());
    decoder.dispose();
  },
);

eachEngine("attentionContext() of layers with a window ends it by position", async (engine) => {
  const config = {
    ...{ headDim: 4, layers: 2, ropeTheta: 10000, ropeScaling: null },
    traits: { local: { window: 2, layers: [1], ropeTheta: 100 } },
  };
  const prepare = engine.compile(attentionContext(engine, config));
  // a prompt of two tokens with responses of two and one, and a sequence of three
  const rows = [
    [0, 1, 2, 3, 2, 0, 1, 2], // positions
    [1, 1, 1, 1, 1, 3, 3, 3], // segments
    [0, 0, 1, 1, 2, 0, 0, 1], // branches
  ];
  const inputs = rows.map((row) => tf.tensor2d([row], [1, 8], "int32"));
  const outputs = prepare(...inputs);
  assert.equal(outputs.length, 6);
  const allowed = async (layer: number) => {
    const [, , mask] = contextOfLayer(config, outputs, layer);
    const [[table]] = await mask?.array() as number[][][][] as [[number[][]]];
    return table.map((row) => row.map((value) => value === 0 ? 1 : 0).join(""));
  };
  assert.deepEqual((await allowed(0)).slice(3, 5), ["11110000", "11001000"]);
  assert.deepEqual(await allowed(1), [
    "10000000",
    "11000000",
    "01100000",
    "00110000",
    "01001000", // its prompt's last token, though others stand between
    "00000100",
    "00000110",
    "00000011",
  ]);
  // frequencies 1 and theta^-½: at position 1 the second angle is 0.01 and 0.1
  for (const [layer, angle] of [[0, 0.01], [1, 0.1]] as const) {
    const [, sin] = contextOfLayer(config, outputs, layer);
    const values = await sin?.data();
    assertNear([values?.[5] ?? NaN], [Math.sin(angle)], { tolerance: 1e-6 });
  }
  [...inputs, ...outputs].forEach((tensor) => tensor.dispose());
});

eachEngine("capped() bounds by a scaled tanh, or does nothing", async (engine) => {
  void engine;
  const x = tf.tensor1d([-100, 0, 1, 100]);
  const y = tf.tidy(() => capped(x, 2));
  assertNear(await y.data(), [-2, 0, 0.9242343, 2]); // 2·tanh(½)
  assert.equal(capped(x, null), x);
  [x, y].forEach((tensor) => tensor.dispose());
});

eachEngine("attentionContext() compiles for rows of more than a thousand tokens", (engine) => {
  const config = { headDim: 4, layers: 1, ropeTheta: 10000, ropeScaling: null };
  const prepare = engine.compile(attentionContext(engine, config));
  const T = 1200; // a T × T constant would be too large for a graph
  const positions = tf.tensor2d(Int32Array.from({ length: T }, (_, t) => t), [1, T], "int32");
  const [segments, branches] = [tf.ones([1, T], "int32"), tf.zeros([1, T], "int32")];
  const outputs = prepare(positions, segments, branches);
  assert.deepEqual(outputs[2]?.shape, [1, 1, T, T]);
  [positions, segments, branches, ...outputs].forEach((tensor) => tensor.dispose());
});

Deno.test("mapShape() refuses a map that a block does not have", () => {
  const config = { width: 8, heads: 2, kvHeads: 1, headDim: 4, mlpWidth: 12 };
  assert.deepEqual(mapShape("mlp.down_proj", config as HeldDecoder["config"]), { in: 12, out: 8 });
  assert.throws(() => mapShape("mlp.fc1", config as HeldDecoder["config"]), RangeError);
});
