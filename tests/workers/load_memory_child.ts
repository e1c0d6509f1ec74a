// Loads a model's weights on the native engine and tells by how much that made the process grow, at
// most and in bytes, beside what the weights take: load_memory_test.ts. Argument: the model.
import { heldBytes } from "../../core/footprint/model.ts";
import { holdDecoder } from "../../core/models/held.ts";
import { openModel } from "../../data/models.ts";
import { startEngine } from "../../workers/machine.ts";

const [model = "", dtype] = Deno.args;
const options = { env: Deno.env.get, signal: new AbortController().signal, onEvent: () => {} };
const engine = await startEngine({
  engine: "tensorflow",
  dtype: dtype === "bfloat16" ? dtype : "float32",
  threads: 1,
  device: "cpu",
}, options);
const opened = await openModel(model);
const { rss } = Deno.memoryUsage();
await Deno.writeTextFile("/proc/self/clear_refs", "5"); // the peak starts anew
const { config } = await holdDecoder(engine, opened.weights);
const status = await Deno.readTextFile("/proc/self/status");
const peak = 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]);
const weights = heldBytes(config, engine.dtype === "bfloat16" ? 2 : 4);
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({ grew: peak - rss, weights })));
Deno.exit(0);
