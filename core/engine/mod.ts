// The table of engines. Opening one makes it the back end of this thread.
import type { Engine, EngineOptions } from "./engine.ts";
import { openTensorflow } from "./tensorflow.ts";
import { openWasm } from "./wasm.ts";

export type { Engine, EngineOptions, HeldType, TensorFunction } from "./engine.ts";

/** What an engine may need from outside: the folder of libtensorflow. */
export interface EngineFiles {
  libtensorflow: string | null;
}

/** Engines by the name in RunConfig, fastest first. */
export const engines: Record<
  "tensorflow" | "wasm",
  (options: EngineOptions, files: EngineFiles) => Promise<Engine>
> = {
  tensorflow: (options, { libtensorflow }) => {
    if (libtensorflow === null) {
      throw new RangeError("Cannot open the tensorflow engine: expected libtensorflow, got none");
    }
    return Promise.resolve(openTensorflow(libtensorflow, options));
  },
  wasm: openWasm,
};
