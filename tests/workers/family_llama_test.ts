// llama.cpp (node-llama-cpp) on the GGUF file of every family: what we read out of the metadata and the
// tensors is what its authors mean by them.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { familyModels, goldens } from "../core/models/family_checkpoints.ts";
import { largestDifference } from "../near.ts";
import { llamaLogits } from "./llama_logits.ts";

const folder = new URL("../golden/", import.meta.url);
const isSet = Deno.env.get("PANACEA_LLAMA") !== undefined;

/** llama.cpp looks Gemma's GELU up in a table of half precision. */
const tolerance = (path: string) => path.includes("gemma") ? 1e-2 : 1e-4;

/** Ids that are compared: llama.cpp leaves Phi-3's window of 6 out, transformers and we do not. */
const compared = (path: string) => path.endsWith("/phi3.gguf") ? 6 : goldens.ids.length;

Deno.test({
  name: "llama.cpp gives the logits that we give for the GGUF file of every family" +
    (isSet ? "" : ": skipped, PANACEA_LLAMA is not set"),
  ignore: !isSet,
  async fn(t) {
    for (const [path, { logits }] of Object.entries(familyModels)) {
      if (!path.endsWith(".gguf")) continue;
      await t.step(path, async () => {
        const ids = goldens.ids.slice(0, compared(path));
        const model = fileURLToPath(new URL(path, folder));
        const [rows = []] = await llamaLogits(model, { ids, cases: [[]] });
        const off = largestDifference(rows.flat(), logits.slice(0, ids.length).flat());
        assert(off <= tolerance(path), `logits differ by ${off}`);
      });
    }
  },
});
