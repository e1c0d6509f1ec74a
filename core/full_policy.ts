// A policy all of whose weights are trained: embedding, blocks, norm and head; forward and back by
// block_stack.ts, whose residuals are the blocks' products. Memory: weights, gradients and the
// optimiser's moments (16 bytes a weight), and what the blocks keep.
// Used by supervised fine-tuning (tuning = full) and by core/pretrain.ts.
import * as tf from "@tensorflow/tfjs-core";
import type { BlockParameters } from "./adapters/parameters.ts";
import { blockFunctions, flatten, runStack, traceStack } from "./block_stack.ts";
import type { Engine } from "./engine/engine.ts";
import { noResiduals, residual, type Residuals } from "./engine/residuals.ts";
import { type AttentionContext, attentionContext, contextOfLayer } from "./models/attention.ts";
import type { DecoderConfig } from "./models/config.ts";
import { block, namedVectors } from "./models/decoder.ts";
import { blockMaps, mapsReadAgain } from "./models/linear_maps.ts";
import { embeddingGradient } from "./models/embedding_gradient.ts";
import { familyOf } from "./models/families.ts";
import { createHead } from "./models/head.ts";
import { createHeadGradients } from "./models/head_gradients.ts";
import { blockVectors, traitsOf } from "./models/traits.ts";
import type { Policy } from "./policy.ts";
import { hiddenGradient, predictingRows } from "./predicting.ts";
import type { Pack } from "./text/pack.ts";

const EMBEDDING = "model.embed_tokens.weight";
const NORM = "model.norm.weight";
const HEAD = "lm_head.weight";

/** Names of all weights by block: the decoder's blocks, then what stands around them. */
export function weightBlocks(config: DecoderConfig): string[][] {
  const own = [...blockVectors(config).keys(), ...blockMaps.map((name) => `${name}.weight`)];
  const blocks = Array.from(
    { length: config.layers },
    (_, layer) => own.map((name) => `model.layers.${layer}.${name}`),
  );
  return [...blocks, [EMBEDDING, NORM, ...config.tiedHead ? [] : [HEAD]]];
}

/**
 * Weights as parameters on the current back end, in float32; `read` gives each by Hugging Face's
 * name, row-major. Caller disposes with disposeParameters.
 */
export async function loadWeights(
  config: DecoderConfig,
  read: (name: string) => Promise<Float32Array> | Float32Array,
): Promise<BlockParameters[]> {
  const shapes = familyOf(config).weightShapes(config);
  const blocks: BlockParameters[] = [];
  try {
    for (const names of weightBlocks(config)) {
      const own: BlockParameters = { maps: [], names, tensors: [] };
      blocks.push(own);
      for (const name of names) own.tensors.push(tf.tensor(await read(name), shapes.get(name)));
    }
  } catch (error) {
    blocks.forEach(({ tensors }) => tensors.forEach((tensor) => tensor.dispose()));
    throw error;
  }
  return blocks;
}

/**
 * The policy that `parameters` (of weightBlocks) make; they are read at each call, so updates take
 * effect. There is no preference: what is given is not read.
 */
export function createFullPolicy(
  engine: Engine,
  config: DecoderConfig,
  parameters: BlockParameters[],
): Policy {
  const outer = () => parameters[config.layers]?.tensors as tf.Tensor[];
  const around = {
    config,
    get embedding() {
      return outer()[0] as tf.Tensor2D;
    },
    get norm() {
      return outer()[1] as tf.Tensor;
    },
    get head() {
      return outer()[config.tiedHead ? 0 : 2] as tf.Tensor;
    },
  };
  const head = createHead(engine, around);
  const headGradients = createHeadGradients(engine, around);
  const tableGradient = embeddingGradient(engine, config.vocabSize);
  const { embeddingScale } = traitsOf(config);
  const scaled = (rows: tf.Tensor2D): tf.Tensor2D =>
    embeddingScale === 1 ? rows : tf.mul(rows, embeddingScale);
  const prepare = engine.compile(attentionContext(engine, config));
  const functions = blockFunctions(engine, (args, kept) => run(config, args, kept), {
    count: FIRST_WEIGHT + blockVectors(config).size + blockMaps.length,
    trained: FIRST_WEIGHT,
  });
  const callOf = (layer: number, context: tf.Tensor[]) => ({
    functions,
    args: [...contextOfLayer(config, context, layer), ...parameters[layer]?.tensors ?? []],
  });

  function embed(pack: Pack): tf.Tensor {
    return tf.tidy(() =>
      tf.reshape(
        scaled(engine.lookup(around.embedding, tf.tensor1d(pack.ids, "int32"))),
        [pack.rows, pack.length, config.width],
      )
    );
  }

  /** cos, sin and mask of every kind of layer: what a block takes besides its weights. */
  function contextOf(pack: Pack): tf.Tensor[] {
    return tf.tidy(() => {
      const shape: [number, number] = [pack.rows, pack.length];
      const { positions, segments, branches } = pack;
      return prepare(
        ...[positions, segments, branches].map((values) => tf.tensor(values, shape, "int32")),
      );
    });
  }

  function hidden(pack: Pack): tf.Tensor2D {
    const context = contextOf(pack);
    const x = runStack(embed(pack), config.layers, (layer) => callOf(layer, context));
    context.forEach((tensor) => tensor.dispose());
    return flatten(x);
  }

  return {
    hidden,

    async logProbs(pack) {
      const logProbs = tf.tidy(() =>
        head.logProbs(predictingRows(engine, hidden(pack), pack), pack.targets)
      );
      const values = await logProbs.data() as Float32Array;
      logProbs.dispose();
      return values;
    },

    async logProbsWithGradient(pack) {
      const context = contextOf(pack);
      const stack = traceStack(engine, embed(pack), {
        layers: config.layers,
        callOf: (layer) => callOf(layer, context),
      });
      const last = flatten(stack.output);
      const rows = predictingRows(engine, last, pack); // (N, D)
      last.dispose();
      const logProbs = head.logProbs(rows, pack.targets);
      const values = await logProbs.data() as Float32Array;
      logProbs.dispose();
      function dispose() {
        [...context, rows].forEach((tensor) => tensor.dispose());
        stack.dispose();
      }

      return {
        values,
        dispose,
        backward(slopes) {
          const atHead = headGradients(rows, pack.targets, slopes);
          const dLast = hiddenGradient(engine, {
            slopes: atHead.hidden,
            weights: new Float32Array(slopes.length).fill(1), // they are in the slopes
            pack,
          });
          atHead.hidden.dispose();
          const { dx, gradients } = stack.backward(
            tf.reshape(dLast, [pack.rows, pack.length, config.width]),
          );
          dLast.dispose();
          const dRows = flatten(dx);
          const dTable = tf.tidy(() => tableGradient(scaled(dRows), pack.ids));
          dRows.dispose();
          dispose();
          if (!config.tiedHead) return [...gradients, [dTable, atHead.norm, atHead.head]];
          const both = tf.add(dTable, atHead.head);
          [dTable, atHead.head].forEach((tensor) => tensor.dispose());
          return [...gradients, [both, atHead.norm]];
        },
      };
    },
  };
}

/** A block as a function of [x, cos, sin, mask, vectors…, maps…]. */
function run(config: DecoderConfig, args: tf.Tensor[], residuals: Residuals): tf.Tensor {
  const [x, cos, sin, mask, ...weights] = args;
  const maps = weights.slice(blockVectors(config).size);
  return block(x as tf.Tensor3D, {
    config,
    vectors: namedVectors(config, weights),
    attention: { cos, sin, mask } as AttentionContext,
    residuals,
    project(name, rows) {
      const weight = maps[blockMaps.indexOf(name)] as tf.Tensor2D;
      const isReadAgain = mapsReadAgain(config).includes(name);
      return residual(isReadAgain ? residuals : noResiduals, [rows, weight], {
        value: (x, w) => tf.matMul(x, w, false, true),
        gradients: (dy, x, w) => [tf.matMul(dy, w), tf.matMul(dy, x, true)],
      });
    },
  });
}

/** x, cos, sin and mask come before a block's weights. */
const FIRST_WEIGHT = 4;
