// Trains with the configuration in its first argument and prints each step's number, until it is
// killed: the process of resume_test.ts.
import { RunConfig } from "../../../core/config.ts";
import { runTraining } from "../../../workers/training.ts";

const output = new TextEncoder();

await runTraining(RunConfig.parse(JSON.parse(Deno.args[0] ?? "")), {
  env: Deno.env.get,
  signal: new AbortController().signal,
  onEvent(event) {
    if (event.type === "step") Deno.stdout.writeSync(output.encode(`${event.step}\n`));
  },
});
