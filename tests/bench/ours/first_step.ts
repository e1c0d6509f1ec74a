// From a process's start to the end of its first DPO step, as ../peers/first_step.py: a model from a GGUF
// file, 4 pairs of random tokens, reference included. Prints how many steps it took as one JSON line; the time
// is that of the whole process. Arguments: model, tokens of a sequence.
import { printResult } from "../../../commands/output.ts";
import { Random } from "../../../core/random.ts";
import { openModel } from "../../../data/models.ts";
import { batch } from "../shape.ts";
import { openStep, randomPairs, startSteps, stepConfig } from "./step.ts";

const [model = "", length = ""] = Deno.args;
const { weights, close } = await openModel(model);
const config = stepConfig({ pairs: batch.pairs, preferences: 0 });
const shape = { count: batch.pairs, length: Number(length), objectives: 2 };
const { parts, scoreReference, dispose } = await openStep({
  ...{ weights, pairs: randomPairs(new Random(1), shape), dimensions: ["first", "second"], config },
  rowLength: Number(length),
});
close();
await scoreReference();
const steps = startSteps(config, parts);
await steps.step();
printResult({ steps: 1 });
await steps.end();
dispose();
