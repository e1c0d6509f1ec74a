// Logits of exported LoRAs in llama.cpp (node-llama-cpp), as a process of its own: PANACEA_LLAMA names
// a folder with node_modules/node-llama-cpp. Reads JSON from standard input: {"model": file, "ids":
// [...], "cases": [[{"filePath", "scale"}]]}; prints logits (N, T, V), a row after each id.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** What is used of node-llama-cpp; it is not a dependency of this repository. */
interface NodeLlama {
  getLlama(options: Record<string, unknown>): Promise<{
    loadModel(options: { modelPath: string; gpuLayers: number }): Promise<{
      createContext(options: Record<string, unknown>): Promise<Context>;
    }>;
  }>;
}

interface Context {
  getSequence(): {
    controlledEvaluate(input: unknown[]): Promise<
      ({ next: { logits?: Map<number, number> } } | undefined)[]
    >;
  };
  dispose(): Promise<void>;
}

const { model: modelPath, ids, cases } = await new Response(Deno.stdin.readable).json();
const folder = Deno.env.get("PANACEA_LLAMA") ?? "";
const entry = pathToFileURL(join(folder, "node_modules/node-llama-cpp/dist/index.js")).href;
const { getLlama } = await import(entry) as NodeLlama;
const llama = await getLlama({ gpu: false, build: "never", maxThreads: 2, logLevel: "error" });
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const results: number[][][] = [];
for (const adapters of cases) {
  const context = await model.createContext({
    contextSize: 64,
    flashAttention: false,
    experimentalKvCacheKeyType: "F32", // the usual F16 would round what is compared
    experimentalKvCacheValueType: "F32",
    lora: { adapters },
  });
  const input = ids.map((id: number) => [id, { generateNext: { logits: true } }]);
  const rows = await context.getSequence().controlledEvaluate(input);
  results.push(rows.map((row) => {
    const logits = row?.next.logits ?? new Map<number, number>();
    return Array.from({ length: logits.size }, (_, v) => logits.get(v) ?? NaN);
  }));
  await context.dispose();
}
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(results)));
Deno.exit(0); // llama.cpp's threads would keep the process alive
