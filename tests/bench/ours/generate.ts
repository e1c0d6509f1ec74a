// Greedy decoding of ours with an adapter, one λ a row, through the batcher that answers users: the
// work of ../peers/generate.py and ../peers/llama.ts. One JSON line per iteration, of the same names
// as theirs. A process of its own; the first iteration warms up and is for the reader to leave out.
import { parseArgs } from "node:util";
import { printResult } from "../../../commands/output.ts";
import { decodeTimes } from "../decode_times.ts";
import { runChats } from "./chats.ts";
import { openDecoding, spreadPreferences } from "./decoding.ts";

const { values } = parseArgs({
  options: {
    format: { type: "string" },
    model: { type: "string" },
    batch: { type: "string" },
    prompt: { type: "string" },
    tokens: { type: "string" },
    iterations: { type: "string" },
    threads: { type: "string" },
  },
});
const decoding = await openDecoding({ ...values, threads: Number(values.threads) });
for (let i = 0; i < Number(values.iterations); i++) {
  const { start, steps } = await runChats(decoding, {
    preferences: spreadPreferences(Number(values.batch)),
    prompt: Number(values.prompt),
    tokens: Number(values.tokens),
  });
  printResult(decodeTimes(start, steps));
}
await decoding.decoder.dispose();
