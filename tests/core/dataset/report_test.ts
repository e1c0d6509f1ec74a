import assert from "node:assert/strict";
import { folded, pairKeys } from "../../../core/dataset/duplicates.ts";
import { rowLengths, summarizeLengths } from "../../../core/dataset/lengths.ts";
import { preferenceRows, reportRows, rowLeakage } from "../../../core/dataset/report.ts";
import type { PreferenceExample } from "../../../core/text/example.ts";

type Better = (number | null)[];
const pair = (prompt: string, a: string, b: string, ...better: Better): PreferenceExample => ({
  prompt: [{ role: "user", content: prompt }],
  responses: [a, b],
  better,
});

/** A report whose tokens are letters: a prompt's, and a response's. */
function report(examples: PreferenceExample[], maxLength = 10) {
  const rows = preferenceRows(["x", "y"], examples);
  const lengths = rows.texts.map(({ prompt, responses }) => ({
    prompt: prompt[0]?.content.length ?? 0,
    responses: responses.map(({ length }) => length),
  }));
  const { repetition, labels, ...others } = reportRows(rows, lengths, maxLength);
  assert.ok(labels);
  return { rows, repetition, labels, ...others };
}

Deno.test("labels: counts, agreement and conflict of four pairs", () => {
  const { labels } = report([
    pair("p", "a", "b", 0, 0), // agree
    pair("q", "a", "b", 0, 1), // conflict
    pair("r", "a", "b", 0.2, 0.9), // most labellers conflict
    pair("s", "a", "b", 0.5, 1), // as many prefer either: no label in x
    pair("t", "a", "b", null, 0),
  ]);
  assert.deepEqual(labels.counts, { x: 3, y: 5 });
  const [{ dimensions, agree } = assert.fail()] = labels.agreements;
  assert.deepEqual([dimensions, agree.count, agree.of], [["x", "y"], 1, 3]);
  assert.deepEqual([labels.conflicts.count, labels.conflicts.of], [2, 3]);
});

Deno.test("length bias: how often the longer is preferred, equal lengths left out", () => {
  const { labels } = report([
    pair("p", "long", "no", 0, 1), // x the longer, y the shorter
    pair("q", "no", "long", 0, null), // x the shorter
    pair("r", "no", "yes", 1, null), // x the longer
    pair("s", "ab", "cd", 1, null), // equal
  ]);
  const [x, y] = labels.lengthBias;
  assert.deepEqual([x?.longerPreferred.count, x?.longerPreferred.of, x?.equal], [2, 3, 1]);
  assert.equal(x?.preferred, (4 + 2 + 3 + 2) / 4);
  assert.equal(x?.other, (2 + 4 + 2 + 2) / 4);
  assert.deepEqual([y?.longerPreferred.count, y?.longerPreferred.of, y?.preferred], [0, 1, 2]);
});

Deno.test("repetition: copies whichever response comes first, and pairs labelled both ways", () => {
  const { repetition, labels } = report([
    pair("p", "a", "b", 0, null),
    pair("p", "b", "a", 1, null), // the same, turned round
    pair("p", "a", "b", 0, null), // the same
    pair("q", "a", "b", 0, 1),
    pair("q", "a", "b", 1, 1), // x turned round
    pair("q", "b", "a", 0, null), // x as in the line above
    pair("r", "a", "c", 0, 0),
    pair("r", "a", "b", 1, 1), // another pair
  ]);
  assert.deepEqual(repetition, { prompts: 3, mostRows: 3, copies: 2 });
  assert.deepEqual(labels.contradictions, { pairs: 1, rows: 3, dimensions: { x: 1, y: 0 } });
});

Deno.test("lengths: quantiles are the least that so many rows do not exceed", () => {
  const rows = Array.from({ length: 10 }, (_, i) => ({ prompt: 2, responses: [i + 1, 1] }));
  const { prompt, response, whole, overlong, noRoom } = summarizeLengths(rows, 10);
  assert.deepEqual(prompt, { least: 2, median: 2, mean: 2, p90: 2, p99: 2, most: 2 });
  assert.deepEqual(whole, { least: 3, median: 7, mean: 7.5, p90: 11, p99: 12, most: 12 });
  assert.equal(response?.mean, (55 + 10) / 20);
  assert.deepEqual([overlong.count, overlong.of], [2, 10]); // 11 and 12 of at most 10
  assert.equal(noRoom, 1); // 10 tokens leave no room for a prompt
  assert.equal(summarizeLengths([], 10).whole, null);
});

Deno.test("rowLengths() counts as training does", () => {
  const tokenizer = {
    encodeExchange: (prompt: { content: string }[], response: string) => ({
      prompt: Array.from(prompt.map(({ content }) => content).join(""), () => 0),
      response: Array.from(response + ".", () => 0),
    }),
  };
  const { prompt } = pair("why", "", "");
  assert.deepEqual(rowLengths(tokenizer, prompt, ["so", ""]), { prompt: 3, responses: [3, 1] });
});

Deno.test("leakage ignores letter case, spacing and the order of responses", () => {
  const { rows: train } = report([
    pair("How are you?", "Fine", "Bad", 0, 0),
    pair("how are\nyou? ", "x", "y", 0, 0),
    pair("Else", "x", "y", 0, 0),
  ]);
  const { rows: test } = report([
    pair(" HOW are you?", "bad", "fine", 1, 1), // the pair itself
    pair("how are you?", "other", "y", 0, 0), // the prompt
    pair("How are they?", "Fine", "Bad", 0, 0),
  ]);
  const { prompts, rows, same, trainRows } = rowLeakage(train, test);
  assert.deepEqual([prompts.count, prompts.of], [1, 2]);
  assert.deepEqual([rows.count, rows.of], [2, 3]);
  assert.deepEqual([same.count, same.of], [1, 3]);
  assert.equal(trainRows, 2);
  assert.equal(folded(" A\t\nB  c "), "a b c");
  assert.notEqual(
    pairKeys(pair("a", "x", "y")).content,
    pairKeys(pair("A", "x", "y")).content,
  );
});
