// The engine that needs nothing installed: tfjs on WebAssembly. Same maths, float32 throughout.
import { createRequire } from "node:module";
import * as tf from "@tensorflow/tfjs-core";
import { setWasmPaths, version_wasm } from "@tensorflow/tfjs-backend-wasm";
import { ByteBudget } from "./byte_budget.ts";
import type { Engine, EngineOptions, TensorFunction } from "./engine.ts";
import { noResiduals, residual } from "./residuals.ts";
import { transposeBeforeProducts } from "./wasm_matmul.ts";

/** What importing the package registered; disposing an engine takes it out of tfjs's registry. */
const factory = tf.findBackendFactory("wasm");

/** Makes tfjs's WebAssembly back end the back end of this thread. */
export async function openWasm(_options: EngineOptions): Promise<Engine> {
  const require = createRequire(new URL("../../main.ts", import.meta.url)); // node_modules is beside it
  require("@tensorflow/tfjs"); // registers the gradients
  const entry = require.resolve("@tensorflow/tfjs-backend-wasm");
  setWasmPaths(entry.slice(0, entry.lastIndexOf("/") + 1));
  if (tf.findBackendFactory("wasm") === null) tf.registerBackend("wasm", factory, 2);
  if (!await tf.setBackend("wasm")) {
    throw new Error("Cannot start WebAssembly: tfjs refused the back end");
  }
  transposeBeforeProducts();
  return new WasmEngine();
}

class WasmEngine implements Engine {
  readonly name = "wasm";
  readonly version = version_wasm;
  readonly devices = ["cpu:0"];
  readonly dtype = "float32";
  readonly residualBytes = new ByteBudget(2 ** 28); // of the 4 GiB that WebAssembly can address

  hold(values: Float32Array, shape: number[]): tf.Tensor {
    return tf.tensor(values, shape);
  }

  project(x: tf.Tensor2D, weight: tf.Tensor, residuals = noResiduals): tf.Tensor2D {
    // With a gradient of its own, so that the frozen weight gets none.
    return residual(residuals, [x], {
      value: (x) => tf.matMul(x, weight as tf.Tensor2D, false, true),
      gradients: (dy) => [tf.matMul(dy, weight as tf.Tensor2D)],
    });
  }

  projectBack(y: tf.Tensor2D, weight: tf.Tensor): tf.Tensor2D {
    return tf.matMul(y, weight as tf.Tensor2D);
  }

  lookup(table: tf.Tensor, ids: tf.Tensor1D): tf.Tensor2D {
    return tf.gather(table, ids) as tf.Tensor2D;
  }

  compile(fn: TensorFunction): TensorFunction {
    return (...args) => tf.tidy(() => fn(...args));
  }

  bytesOf(tensor: tf.Tensor): number {
    return 4 * tensor.size;
  }

  liveTensors(): number {
    return tf.memory().numTensors;
  }

  dispose(): void {
    tf.removeBackend("wasm");
  }
}
