// A process of engines_test.ts: an engine is opened, used and disposed, a second one is left open,
// and the process ends. TensorFlow's own threads live on until then.
import * as tf from "@tensorflow/tfjs-core";
import type { Engine } from "../../../core/engine/mod.ts";
import { withEngine } from "../../engines.ts";

await withEngine("tensorflow", { threads: 2 }, compute);
void withEngine("tensorflow", { threads: 1 }, async (engine) => {
  await compute(engine);
  Deno.stdout.writeSync(new TextEncoder().encode("computed"));
  await new Promise(() => {}); // nothing waits for it: the process ends
});

async function compute(engine: Engine): Promise<void> {
  const x = tf.tensor1d([1, 2]);
  const [y] = engine.compile((x) => [tf.mul(x as tf.Tensor, 2)])(x);
  await y?.data();
  [x, y].forEach((tensor) => tensor?.dispose());
}
