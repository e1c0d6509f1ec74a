// Greedy decoding with llama.cpp (node-llama-cpp), a peer of ../ours/generate.ts: on the processor,
// one row. PANACEA_LLAMA names a folder with node_modules/node-llama-cpp. Prints one JSON line of
// seconds per iteration, of the same names as generate.py; the first iteration warms up.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { decodeTimes } from "../decode_times.ts";

/** What is used of node-llama-cpp; it is not a dependency of this repository. */
interface NodeLlama {
  getLlama(options: Record<string, unknown>): Promise<{
    loadModel(options: { modelPath: string; gpuLayers: number }): Promise<{
      createContext(options: Record<string, unknown>): Promise<{ getSequence(): Sequence }>;
    }>;
  }>;
}

interface Sequence {
  clearHistory(): Promise<void>;
  evaluate(tokens: number[], options: Record<string, unknown>): AsyncIterable<number>;
}

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    prompt: { type: "string" },
    tokens: { type: "string" },
    iterations: { type: "string" },
    threads: { type: "string" },
  },
});
const folder = Deno.env.get("PANACEA_LLAMA") ?? "";
const threads = Number(values.threads);
const tokens = Number(values.tokens);
const prompt = Array.from({ length: Number(values.prompt) }, (_, i) => 1000 + 7 * i);

const entry = pathToFileURL(join(folder, "node_modules/node-llama-cpp/dist/index.js")).href;
const { getLlama } = await import(entry) as NodeLlama;
const llama = await getLlama({
  gpu: false,
  build: "never",
  maxThreads: threads,
  logLevel: "error",
});
const model = await llama.loadModel({ modelPath: values.model ?? "", gpuLayers: 0 });
const context = await model.createContext({
  contextSize: prompt.length + tokens + 1,
  threads: { ideal: threads, min: threads },
});
const sequence = context.getSequence();
for (let i = 0; i < Number(values.iterations); i++) {
  await sequence.clearHistory();
  const start = performance.now();
  const times: number[] = [];
  for await (const _ of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    if (times.push(performance.now()) === tokens) break;
  }
  const line = `${JSON.stringify(decodeTimes(start, times))}\n`;
  await Deno.stdout.write(new TextEncoder().encode(line));
}
Deno.exit(0); // llama.cpp's threads would keep the process alive
