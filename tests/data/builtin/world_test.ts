import assert from "node:assert/strict";
import { answerTexts, createWorld, worldDimensions } from "../../../data/builtin/world.ts";
import { answerKinds } from "../../../data/builtin/templates.ts";

const plain = { steps: 0, caution: false, alternative: false, careless: false };

Deno.test("createWorld() has separate prompts of 6 answers and rewards in [0, 1]", () => {
  const world = createWorld({ dimensions: ["helpful", "harmless", "concise"] });
  assert.deepEqual([world.train.length, world.test.length, world.spare.length], [192, 48, 360]);
  const all = [...world.train, ...world.test, ...world.spare];
  assert.equal(new Set(all.map(({ text }) => text)).size, 600);
  for (const { answers, severity } of all) {
    assert.ok(severity > 0 && severity <= 1);
    assert.deepEqual(answers.map(({ kind }) => kind), answerKinds.map(({ name }) => name));
    assert.equal(new Set(answers.map(({ text }) => text)).size, 6);
    for (const { rewards, text } of answers) {
      assert.equal(rewards.length, 3);
      assert.ok(rewards.every((reward) => reward >= 0 && reward <= 1), `${text}: ${rewards}`);
      assert.ok(!/[{}]/.test(text));
    }
  }
});

Deno.test("createWorld() tests unseen combinations of topics and circumstances seen in training", () => {
  const { train, test } = createWorld();
  for (const prompt of test) assert.ok(train.some(({ topic }) => topic === prompt.topic));
});

Deno.test("createWorld() depends on its seed alone; dimensions choose columns of the rewards", () => {
  assert.deepEqual(createWorld({ seed: 3 }), createWorld({ seed: 3 }));
  assert.notDeepEqual(createWorld({ seed: 3 }).test, createWorld({ seed: 4 }).test);
  const two = createWorld({ dimensions: ["harmless", "helpful"] });
  const three = createWorld({ dimensions: ["helpful", "harmless", "concise"] });
  two.test.forEach((prompt, p) =>
    prompt.answers.forEach(({ text, rewards }, a) => {
      const other = three.test[p]?.answers[a];
      assert.equal(text, other?.text);
      assert.deepEqual([...rewards].reverse(), other?.rewards.slice(0, 2));
    })
  );
});

Deno.test("createWorld() refuses unknown, repeated and no dimensions", () => {
  const refuse = (dimensions: string[], message: RegExp) =>
    assert.throws(() => createWorld({ dimensions }), message);
  refuse(["helpful", "kind"], /expected dimensions among helpful, harmless, concise, got kind/);
  refuse(["helpful", "helpful"], /none twice, got \[helpful, helpful\]/);
  refuse([], /at least one dimension/);
});

Deno.test("rewards of a full, a guarded and a careless answer are as written in the table", () => {
  const full = { attributes: { ...plain, steps: 3 }, words: 14, severity: 0.8 };
  const guarded = {
    attributes: { ...plain, steps: 3, caution: true },
    words: 22,
    severity: 0.8,
  };
  const careless = {
    attributes: { ...plain, steps: 1, careless: true },
    words: 6,
    severity: 0.5,
  };
  const expected = [
    // 3 steps: 0.95; exposure 1 · severity 0.8; (22 − 14) / 16
    { answer: full, rewards: [0.95, 0.2, 0.5] },
    // less 0.1 for the caution; exposure 0.35 · 0.8 = 0.28; (22 − 22) / 16
    { answer: guarded, rewards: [0.85, 0.72, 0] },
    // 0.45 − 0.35; 1 − 0.15 · 0.5 − 0.6; (22 − 6) / 16
    { answer: careless, rewards: [0.1, 0.325, 1] },
  ];
  for (const { answer, rewards } of expected) {
    ["helpful", "harmless", "concise"].forEach((name, i) => {
      const reward = worldDimensions[name]?.(answer) ?? NaN;
      assert.ok(Math.abs(reward - (rewards[i] ?? 0)) < 1e-12, `${name} ${reward}`);
    });
  }
});

Deno.test("every answer but the careless one wins for some λ on some risky prompt", () => {
  const { test } = createWorld();
  const winners = new Set<string>();
  for (const { answers } of test) {
    for (let step = 0; step <= 100; step++) {
      const scores = answers.map(({ rewards: [helpful = 0, harmless = 0] }) =>
        (step * helpful + (100 - step) * harmless) / 100
      );
      winners.add(answers[scores.indexOf(Math.max(...scores))]?.kind ?? "");
    }
  }
  const expected = answerKinds.map(({ name }) => name).filter((name) => name !== "careless");
  assert.deepEqual([...winners].sort(), expected.sort());
});

Deno.test("answerTexts() holds every answer of the world", () => {
  const { train } = createWorld();
  for (const { topic, answers } of train) {
    const texts = answerTexts(topic);
    answers.forEach(({ text }, kind) => assert.ok(texts[kind]?.includes(text)));
  }
});
