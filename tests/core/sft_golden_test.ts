// Supervised fine-tuning against transformers and PyTorch (tests/golden/sft.py): which tokens of a
// dialogue are learned, and every step of training all weights on packed sequences.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { disposeParameters, readParameters } from "../../core/adapters/parameters.ts";
import { aggregations } from "../../core/aggregation/mod.ts";
import { batchPass } from "../../core/batch_pass.ts";
import { RunConfig } from "../../core/config.ts";
import { createFullPolicy, loadWeights } from "../../core/full_policy.ts";
import { sft } from "../../core/objectives/sft.ts";
import type { Labelled, Message } from "../../core/text/example.ts";
import { tokenizeInstructions } from "../../core/text/instructions.ts";
import type { Sequence } from "../../core/text/pack.ts";
import { train, type TrainParts } from "../../core/train.ts";
import { openModel } from "../../data/models.ts";
import { eachEngine } from "../engines.ts";
import golden from "../golden/sft.json" with { type: "json" };
import { assertNear } from "../near.ts";
import { smallTokenizer } from "./text/golden.ts";

Deno.test("the learned tokens are those that transformers marks as the assistant's", () => {
  const tokenizer = smallTokenizer({
    template: golden.template.replace(/\{% (end)?generation %\}/g, ""),
    specials: ["<|im_start|>", "<|im_end|>"],
  });
  for (const { messages, ids, mask } of golden.dialogues) {
    const first = messages.findIndex(({ role }) => role === "assistant");
    const example = {
      prompt: messages.slice(0, first) as Message[],
      completion: messages.slice(first) as Message[],
    };
    const options = { maxLength: 1000, overlong: "drop" } as const;
    const { sequences } = tokenizeInstructions(
      tokenizer,
      { examples: [example], fingerprint: "" },
      options,
    );
    assert.equal(sequences.length, 1);
    const [{ prompt, response, learned } = { prompt: [], response: [] }] = sequences;
    assert.deepEqual([...prompt, ...response], ids);
    const own = learned ?? new Uint8Array(response.length).fill(1);
    assert.deepEqual([...new Uint8Array(prompt.length), ...own], mask);
  }
});

eachEngine("train() of all weights goes PyTorch's way, step by step", async (engine) => {
  const { sequences, settings, losses, norms, weightNorms } = golden.training;
  const examples = sequences.map(({ prompt, response, learned }) => ({
    prompt: Int32Array.from(prompt),
    response: Int32Array.from(response),
    ...learned && { learned: Uint8Array.from(learned) },
    better: [0],
  }));
  const model = await openModel(fileURLToPath(new URL("../golden/llama_tied", import.meta.url)));
  const parameters = await loadWeights(model.config, model.weights.read);
  model.close();
  const policy = createFullPolicy(engine, model.config, parameters);
  const config = RunConfig.parse({
    objective: "sft",
    tuning: "full",
    per_device_train_batch_size: examples.length,
    preferences_per_step: 1,
    max_steps: settings.steps,
    learning_rate: settings.learning_rate,
    lr_scheduler_type: "constant",
    warmup_ratio: 0,
    adam_beta1: settings.beta1,
    adam_beta2: settings.beta2,
    adam_epsilon: settings.epsilon,
    weight_decay: settings.weight_decay,
    max_grad_norm: settings.max_grad_norm,
  });
  const figures: { loss: number; gradNorm: number; tokens: number }[] = [];
  const parts: TrainParts<Sequence & Labelled> = {
    engine,
    pass: batchPass(policy, { rowLength: 32, maxTokens: 32 }), // all in one row
    adapter: null,
    parameters,
    objective: sft(),
    aggregation: aggregations.ls(),
    dimensions: ["imitation"],
    examples,
    referenceLogProbs: new Float32Array(),
  };
  for await (const event of train(config, parts, new AbortController().signal)) {
    if (event.type === "step") figures.push(event.figures);
  }
  assertNear(figures.map(({ loss }) => loss), losses, { tolerance: 1e-4, what: "losses" });
  assertNear(figures.map(({ gradNorm }) => gradNorm), norms, { tolerance: 1e-4, what: "norms" });
  for (const [name, { values }] of await readParameters(parameters)) {
    const wanted = (weightNorms as Record<string, number>)[name] ?? NaN;
    assertNear([Math.hypot(...values)], [wanted], { tolerance: 1e-4, what: name });
  }
  disposeParameters(parameters);
});
