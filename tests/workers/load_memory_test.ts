// While a model is loaded, the process grows by little more than the weights: of each matrix only one
// copy in another form exists at a time, and it goes when the next comes.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { whyMissing } from "../engines.ts";

const model = Deno.env.get("PANACEA_SMOLLM2_GGUF");
const missing = Deno.build.os !== "linux"
  ? "the peak is read from Linux's /proc"
  : model
  ? whyMissing("tensorflow")
  : "PANACEA_SMOLLM2_GGUF is not set";

for (const dtype of ["float32", "bfloat16"]) {
  Deno.test({
    name: `loading a model takes at most 1.2 times its weights in ${dtype}` +
      (missing === null ? "" : `: skipped, ${missing}`),
    ignore: missing !== null,
    async fn() {
      const child = new URL("./load_memory_child.ts", import.meta.url);
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "--no-check", "-A", fileURLToPath(child), model ?? "", dtype],
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      const { grew, weights } = JSON.parse(new TextDecoder().decode(stdout));
      assert(grew > 0.9 * weights, `${grew} bytes are too few for weights of ${weights}`);
      assert(grew <= 1.2 * weights, `${grew} bytes for weights of ${weights}`);
    },
  });
}
