import assert from "node:assert/strict";
import { InputError } from "../../../core/errors.ts";
import type { Message } from "../../../core/text/example.ts";
import { tokenizePrompts } from "../../../core/text/prompts.ts";

/** A tokenizer of one token a character, whose template adds one before and one after. */
const tokenizer = {
  encode: (text: string) => Array.from(text, (character) => character.charCodeAt(0)),
  renderPrompt(messages: Message[]) {
    if (messages.at(-1)?.role !== "user") throw new InputError("Cannot write a dialogue: odd");
    return `<${messages.map(({ content }) => content).join("|")}>`;
  },
};
const asks = (content: string): Message[] => [{ role: "user", content }];
const lengths = { maxLength: 40, maxNewTokens: 24, overlong: "drop" } as const;

Deno.test("tokenizePrompts(): every prompt once, with the room it leaves for a response", () => {
  const found = tokenizePrompts(tokenizer, [asks("a"), asks("bc"), asks("a")], lengths);
  assert.equal(found.dropped, 0);
  assert.deepEqual(found.prompts.map(({ ids, limit }) => [String.fromCharCode(...ids), limit]), [
    ["<a>", 24],
    ["<bc>", 24],
  ]);
  assert.deepEqual(found.prompts[0]?.messages, asks("a"));
  const [long] = tokenizePrompts(tokenizer, [asks("x".repeat(18))], lengths).prompts;
  assert.equal(long?.limit, 20);
});

Deno.test("tokenizePrompts(): a prompt without room for 16 tokens is left out, or its start is cut", () => {
  const data = [asks("x".repeat(22)), asks("y".repeat(23))]; // 24 and 25 tokens
  const dropped = tokenizePrompts(tokenizer, data, lengths);
  assert.deepEqual([dropped.prompts.length, dropped.dropped], [1, 1]);
  const cut = tokenizePrompts(tokenizer, data, { ...lengths, overlong: "truncate" });
  assert.deepEqual(cut.prompts.map(({ ids, limit }) => [ids.length, limit]), [[24, 16], [24, 16]]);
  assert.equal(String.fromCharCode(...cut.prompts[1]?.ids ?? []), "y".repeat(23) + ">");
  const short = tokenizePrompts(tokenizer, data, { ...lengths, maxNewTokens: 4 });
  assert.deepEqual(short.prompts.map(({ limit }) => limit), [4, 4]);
});

Deno.test("tokenizePrompts(): what the template refuses is left out; when it refuses all, it says why", () => {
  const odd: Message[] = [{ role: "assistant", content: "a" }];
  const found = tokenizePrompts(tokenizer, [odd, asks("b")], lengths);
  assert.deepEqual([found.prompts.length, found.dropped], [1, 1]);
  assert.throws(() => tokenizePrompts(tokenizer, [odd], lengths), {
    name: "InputError",
    message: "Cannot write a dialogue: odd",
  });
});

Deno.test("tokenizePrompts() refuses data without a prompt that fits", () => {
  assert.throws(() => tokenizePrompts(tokenizer, [asks("x".repeat(30))], lengths), {
    name: "InputError",
    message: "Cannot tokenize the prompts: expected some of at most 24 tokens, which leave room " +
      "for a response within max_length 40, got none",
  });
});
