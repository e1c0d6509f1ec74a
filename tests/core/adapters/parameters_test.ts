import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { countValues, readFlat, writeFlat } from "../../../core/adapters/parameters.ts";
import { eachEngine } from "../../engines.ts";

eachEngine("writeFlat() and readFlat() carry tensors through shared memory", async () => {
  const blocks = [
    [tf.tensor([1, 2, 3, 4, 5, 6], [2, 3]), tf.scalar(-0.5)],
    [], // a block that no pattern matched
    [tf.tensor([7, 8])],
  ];
  const shapes = blocks.map((block) => block.map(({ shape }) => shape));
  assert.equal(countValues(blocks), 9);
  const shared = new Float32Array(new SharedArrayBuffer(9 * 4));
  await writeFlat(blocks, shared);
  assert.deepEqual([...shared], [1, 2, 3, 4, 5, 6, -0.5, 7, 8]);
  const read = readFlat(shared, shapes);
  shared.fill(0); // what was read is a copy
  assert.deepEqual(read.map((block) => block.map(({ shape }) => shape)), shapes);
  assert.deepEqual(read.flat().map((tensor) => [...tensor.dataSync()]), [
    [1, 2, 3, 4, 5, 6],
    [-0.5],
    [7, 8],
  ]);
  [...blocks, ...read].flat().forEach((tensor) => tensor.dispose());
});
