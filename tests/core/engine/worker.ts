// A Worker of engines_test.ts: says that it listens, opens the engine that it is told to, answers
// each number with a compiled gradient there, and leaves on null.
import * as tf from "@tensorflow/tfjs-core";
import { type EngineName, withEngine } from "../../engines.ts";

const scope = self as unknown as {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
};

scope.onmessage = async ({ data }: MessageEvent<{ engine: EngineName; threads: number }>) => {
  await withEngine(data.engine, { threads: data.threads }, async (engine) => {
    // d/dx Σ (w·x)² = 2·w²·x
    const weight = engine.hold(Float32Array.of(3), [1, 1]);
    const slope = engine.compile((x, w) => [
      tf.grad((x) => tf.sum(tf.square(engine.project(x as tf.Tensor2D, w as tf.Tensor))))(
        x as tf.Tensor,
      ),
    ]);
    let done = () => {};
    const closed = new Promise<void>((resolve) => done = resolve);
    scope.onmessage = async ({ data }: MessageEvent<number | null>) => {
      if (data === null) return done();
      const x = tf.fill([2000, 1], data);
      const [result] = slope(x, weight);
      const values = await result?.data() ?? [];
      [x, result].forEach((tensor) => tensor?.dispose());
      scope.postMessage({
        of: data,
        slopes: [values[0], values[1999]],
        live: engine.liveTensors(),
      });
    };
    scope.postMessage("ready");
    await closed;
  });
  scope.postMessage("closed");
  scope.close();
};
scope.postMessage("listening"); // what arrives while modules still load is lost
