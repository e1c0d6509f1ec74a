import assert from "node:assert/strict";
import fc from "fast-check";
import type { InstructionExample, Message } from "../../../core/text/example.ts";
import { tokenizeInstructions } from "../../../core/text/instructions.ts";
import { learnedTokens, type Sequence } from "../../../core/text/pack.ts";
import { smallTokenizer, template } from "./golden.ts";

const tokenizer = smallTokenizer({
  template: template("ChatML"),
  specials: ["<|im_start|>", "<|im_end|>"],
});
const roomy = { maxLength: 1000, overlong: "drop" } as const;

/** Messages from the user on, in turns. */
function turns(...contents: string[]): Message[] {
  return contents.map((content, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content }));
}

const data = (...examples: InstructionExample[]) => ({ examples, fingerprint: "" });
const single: InstructionExample = {
  prompt: turns("How old is the town?"),
  completion: [{ role: "assistant", content: "800 years" }],
};
const long = turns("How old?", "800 years", "And the bridge?", "It is older", "Why?", "Who knows");
const several = { prompt: long.slice(0, 1), completion: long.slice(1) };

const idsOf = ({ prompt, response }: Sequence) => [...prompt, ...response];

/** Ids that a sequence learns, cut where tokens between them are only read. */
function learnedRuns({ response, learned }: Sequence): number[][] {
  const runs: number[][] = [[]];
  response.forEach((id, t) => {
    if (learned?.[t] === 0) runs.push([]);
    else runs.at(-1)?.push(id);
  });
  return runs.filter((run) => run.length > 0);
}

Deno.test("tokenizeInstructions() of one exchange is its prompt and response", () => {
  const { sequences: [sequence], dropped } = tokenizeInstructions(tokenizer, data(single), roomy);
  const ids = tokenizer.encodeExchange(single.prompt, "800 years");
  assert.deepEqual(sequence, {
    prompt: Int32Array.from(ids.prompt),
    response: Int32Array.from(ids.response),
  });
  assert.equal(dropped, 0);
});

Deno.test("tokenizeInstructions() learns every answer after the ids it would be written after", () => {
  const { sequences } = tokenizeInstructions(tokenizer, data(several), roomy);
  assert.equal(sequences.length, 1); // ChatML only adds
  const [sequence] = sequences;
  assert.ok(sequence);
  const exchanges = [1, 3, 5].map((i) =>
    tokenizer.encodeExchange(long.slice(0, i), long[i]?.content ?? "")
  );
  const ids = idsOf(sequence);
  for (const { prompt, response } of exchanges) {
    assert.deepEqual(ids.slice(0, prompt.length + response.length), [...prompt, ...response]);
  }
  assert.deepEqual(learnedRuns(sequence), exchanges.map(({ response }) => response));
  const learned = exchanges.reduce((sum, { response }) => sum + response.length, 0);
  assert.equal(learnedTokens(sequence), learned);
});

Deno.test("tokenizeInstructions() leaves what the prompt's assistant says unlearned", () => {
  const example = { prompt: long.slice(0, 3), completion: long.slice(3) };
  const { sequences: [sequence] } = tokenizeInstructions(tokenizer, data(example), roomy);
  assert.ok(sequence);
  const first = tokenizer.encodeExchange(long.slice(0, 3), "It is older");
  assert.deepEqual([...sequence.prompt], first.prompt);
  assert.equal(learnedRuns(sequence).length, 2);
});

Deno.test("tokenizeInstructions() makes a sequence of each answer where turns are written anew", () => {
  // Earlier answers lose their text, as templates do with what the assistant thought.
  const source = "{% for m in messages %}<|im_start|>{{ m['role'] }}: " +
    "{% if m['role'] == 'user' or loop.last %}{{ m['content'] }}{% endif %}<|im_end|>{% endfor %}" +
    "{% if add_generation_prompt %}<|im_start|>assistant: {% endif %}";
  const forgetful = smallTokenizer({ template: source, specials: ["<|im_start|>", "<|im_end|>"] });
  const { sequences } = tokenizeInstructions(forgetful, data(several), roomy);
  assert.deepEqual(
    sequences,
    [1, 3, 5].map((i) => {
      const ids = forgetful.encodeExchange(long.slice(0, i), long[i]?.content ?? "");
      return { prompt: Int32Array.from(ids.prompt), response: Int32Array.from(ids.response) };
    }),
  );
});

Deno.test("tokenizeInstructions() reads answers without text and does not learn them", () => {
  const silent = turns("How old?", " ", "Well?", "800 years");
  const example = { prompt: silent.slice(0, 1), completion: silent.slice(1) };
  const { sequences: [sequence] } = tokenizeInstructions(tokenizer, data(example), roomy);
  assert.ok(sequence);
  const { prompt, response } = tokenizer.encodeExchange(silent.slice(0, 3), "800 years");
  assert.deepEqual([idsOf(sequence), learnedTokens(sequence)], [
    [...prompt, ...response],
    response.length,
  ]);
});

Deno.test("tokenizeInstructions() drops what is too long, or cuts it", () => {
  const [whole] = tokenizeInstructions(tokenizer, data(several), roomy).sequences;
  assert.ok(whole);
  const all = idsOf(whole);
  const limited = (maxLength: number, overlong: "drop" | "truncate") =>
    tokenizeInstructions(tokenizer, data(several, single), { maxLength, overlong });

  const dropped = limited(all.length - 1, "drop");
  assert.deepEqual([dropped.sequences.length, dropped.dropped], [1, 1]);
  // The last turns go; what is left ends with an answer.
  const cut = limited(all.length - 1, "truncate");
  assert.deepEqual([cut.sequences.length, cut.dropped], [2, 0]);
  const second = tokenizer.encodeExchange(long.slice(0, 3), "It is older");
  assert.deepEqual(idsOf(cut.sequences[0] as Sequence), [...second.prompt, ...second.response]);
  // A first answer that does not fit: its prompt loses its beginning.
  const first = tokenizer.encodeExchange(long.slice(0, 1), "800 years");
  const length = first.prompt.length + first.response.length - 2;
  const short = limited(length, "truncate").sequences[0] as Sequence;
  assert.deepEqual([...short.prompt], first.prompt.slice(2));
  assert.deepEqual([...short.response], first.response);
});

Deno.test("tokenizeInstructions(): no sequence is too long, and every learned run ends the turn", () => {
  const words = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 40 });
  const dialogue = fc.array(words, { minLength: 2, maxLength: 7 }).map((contents) => {
    const messages = turns(...contents);
    return { prompt: messages.slice(0, 1), completion: messages.slice(1) };
  });
  fc.assert(fc.property(
    fc.array(dialogue, { maxLength: 4 }),
    fc.integer({ min: 150, max: 400 }),
    fc.constantFrom("drop" as const, "truncate" as const),
    (examples, maxLength, overlong) => {
      const { sequences, dropped } = tokenizeInstructions(tokenizer, data(single, ...examples), {
        maxLength,
        overlong,
      });
      assert.ok(sequences.length + dropped >= 1 && dropped <= examples.length);
      for (const sequence of sequences) {
        assert.ok(sequence.prompt.length >= 1 && idsOf(sequence).length <= maxLength);
        for (const run of learnedRuns(sequence)) {
          assert.equal(run.indexOf(tokenizer.endTokenId), run.length - 1);
        }
      }
    },
  ));
});

Deno.test("tokenizeInstructions() drops dialogues that the template refuses, unless it refuses all", () => {
  const strict = smallTokenizer({ template: template("Llama 2") });
  const refused = { prompt: [...single.prompt, ...single.prompt], completion: single.completion };
  assert.equal(tokenizeInstructions(strict, data(single, refused), roomy).dropped, 1);
  assert.throws(() => tokenizeInstructions(strict, data(refused), roomy), {
    name: "InputError",
    message: /must alternate/,
  });
});

Deno.test("tokenizeInstructions() says when nothing is short enough", () => {
  const options = { maxLength: 10, overlong: "drop" } as const;
  assert.throws(() => tokenizeInstructions(tokenizer, data(single), options), {
    name: "InputError",
    message: "Cannot tokenize the data set: expected dialogues of at most 10 tokens, got none",
  });
});
