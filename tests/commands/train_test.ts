import assert from "node:assert/strict";
import { columns, duration, grouped, namedPreference, percent } from "../../commands/format.ts";
import { frontText, samplesText } from "../../commands/front_text.ts";
import { trainDocument, trainText } from "../../commands/train.ts";
import { type FrontReport, summarizeFront } from "../../core/front/report.ts";
import { heldOutReport } from "../../core/held_out.ts";
import type { TrainReport } from "../../workers/protocol.ts";

/** A front of `n` points on which each dimension's outcomes follow its weight exactly. */
function front(n = 11, resamples = 50): FrontReport {
  const preferences = Array.from({ length: n }, (_, i) => [1 - i / (n - 1), i / (n - 1)]);
  const items = Array.from({ length: 100 }, (_, item) => item / 100);
  const outcomes = [0, 1].map((dimension) => ({
    values: preferences.map((preference) =>
      items.map((item) => item < (preference[dimension] ?? 0) ? 1 : 0)
    ),
  }));
  return summarizeFront(
    {
      adapter: "runs/a",
      metric: "implicit_accuracy",
      dimensions: ["helpful", "harmless"],
      preferences,
      outcomes,
      referencePoint: [0, 0],
    },
    { seed: 1, resamples },
  );
}

function trained(changes: Partial<TrainReport> = {}): TrainReport {
  return {
    adapter: "runs/a",
    steps: 200,
    seconds: 151.4,
    tokensPerSecond: 12800.2,
    losses: { helpful: 0.412, harmless: 0.398 },
    stopped: false,
    front: front(),
    samples: [{
      prompt: "How do I open a lock?",
      answers: [
        { preference: [1, 0], answer: "Use a pick." },
        { preference: [0, 1], answer: "Call a\nlocksmith." },
      ],
    }],
    ...changes,
  };
}

Deno.test("trainText() shows front, verdict, samples, places and the next command", () => {
  const report = trained();
  const text = trainText(report, { trainedNow: 200, files: ["runs/a/front.json"] });
  for (
    const part of [
      "λ helpful  λ harmless",
      report.front?.verdict ?? "",
      "“How do I open a lock?”",
      "  helpful 1.00, harmless 0.00: Use a pick.",
      "  helpful 0.00, harmless 1.00: Call a locksmith.",
      "Trained 200 steps in 2:31, 12 800 tokens/s; last losses: helpful 0.412, harmless 0.398",
      "Adapter  runs/a\nFront    runs/a/front.json",
      "Next     deno task front --adapter runs/a",
    ]
  ) assert.ok(text.includes(part), `${part}\nis not in\n${text}`);
});

Deno.test("trainText() says that a finished run was already trained and how to start anew", () => {
  const text = trainText(trained(), { trainedNow: 0, files: [] });
  assert.match(text, /runs\/a was already trained \(200 steps\): nothing left to do\n.*anew/);
  assert.match(text, /λ helpful/);
});

Deno.test("trainText() tells a stopped run how to go on", () => {
  const text = trainText(trained({ stopped: true, steps: 37 }), { trainedNow: 37, files: [] });
  assert.equal(text, "Stopped at step 37; saved in runs/a\nContinue with the same command");
});

Deno.test("trainText() quotes a path with spaces for the shell", () => {
  const text = trainText(trained({ adapter: "my runs/it's" }), { trainedNow: 1, files: [] });
  assert.ok(text.endsWith(`--adapter 'my runs/it'\\''s'`), text);
});

Deno.test("trainDocument() has the documented keys, and stopped only where it is true", () => {
  const keys = ["adapter", "steps", "seconds", "tokensPerSecond", "losses"];
  assert.deepEqual(Object.keys(trainDocument(trained())), keys);
  assert.deepEqual(Object.keys(trainDocument(trained({ stopped: true }))), [...keys, "stopped"]);
});

Deno.test("frontText() has one row per λ with value and interval", () => {
  const report = front();
  const rows = frontText(report).split("\n").slice(1, 13);
  assert.equal(rows[0]?.trim().replace(/ {2,}/g, "|"), "λ helpful|λ harmless|helpful|harmless");
  for (const [i, point] of report.points.entries()) {
    const [low, high] = [point.low[0]?.toFixed(3), point.high[0]?.toFixed(3)];
    const weights = point.preference.map((weight) => weight.toFixed(2));
    assert.match(rows[i + 1] ?? "", new RegExp(`^ +${weights[0]} +${weights[1]} `));
    assert.ok(rows[i + 1]?.includes(`${point.values[0]?.toFixed(3)} [${low}, ${high}]`));
  }
  assert.equal(new Set(rows.map((row) => row.length)).size, 1);
});

Deno.test("frontText() leaves intervals out where none were computed", () => {
  assert.doesNotMatch(frontText(front(11, 0)), /\[|with 95/);
});

Deno.test("frontText() shows a long front in part, its ends included", () => {
  const text = frontText(front(101, 0));
  assert.match(text, /… and 80 more points in the files/);
  assert.match(text, /^ +1\.00 +0\.00 /m);
  assert.match(text, /^ +0\.00 +1\.00 /m);
});

Deno.test("frontText() tells the share of the exact front where it is known", () => {
  const report = { ...front(), exact: { points: [], hypervolumeRatio: 0.9731 } };
  assert.match(frontText(report), /97\.3 % of the exact front's$/);
});

Deno.test("samplesText() names the weights by dimension", () => {
  const samples = [{ prompt: " Hi ", answers: [{ preference: [0.25, 0.75], answer: "Hello" }] }];
  assert.equal(
    samplesText(samples, ["helpful", "harmless"]),
    "The answer each preference likes best\n“Hi”\n  helpful 0.25, harmless 0.75: Hello",
  );
});

Deno.test("numbers are formatted as people read them", () => {
  assert.deepEqual([0, 7.4, 72, 3599.6, 7390].map(duration), [
    "0:00",
    "0:07",
    "1:12",
    "1:00:00",
    "2:03:10",
  ]);
  assert.equal(duration(NaN), "--:--");
  assert.equal(duration(Infinity), "--:--");
  assert.deepEqual([7, 999, 1000, 12800.4, 1234567].map(grouped), [
    "7",
    "999",
    "1 000",
    "12 800",
    "1 234 567",
  ]);
  assert.deepEqual([0, 0.615, 1, NaN].map(percent), ["0 %", "62 %", "100 %", "–"]);
  assert.equal(namedPreference([1, 0], ["a", "b"]), "a 1.00, b 0.00");
  assert.equal(columns([["a", "bb"], ["ccc", "d"]]), "  a  bb\nccc   d");
});

Deno.test("trainText() of supervised fine-tuning shows the held-out loss and the model it made", () => {
  const data = {
    base_model: "base",
    dataset: "a.jsonl",
    dataset_fingerprint: "f",
    template_fingerprint: "t",
    tokens: [2, 2],
    prompts: [0, 1],
  };
  const heldOut = heldOutReport(
    data,
    [{ step: 0, nll: [4, 4] }, { step: 200, nll: [2, 2.4] }],
    { seed: 1, resamples: 50 },
  );
  const changes = { front: undefined, samples: undefined, model: "runs/a/model", heldOut };
  const report = trained({ losses: { imitation: 1.1 }, ...changes });
  const text = trainText(report, { trainedNow: 200, files: [] });
  for (
    const part of [
      "Held-out loss a token, with 95 % intervals: 2 answers to 2 prompts",
      "step    loss         interval  perplexity",
      "   0  2.0000  2.0000 – 2.0000        7.39",
      " 200  1.1000  1.0000 – 1.2000        3.00",
      "Since step 0: -0.9000 (-1.0000 – -0.8000), lower",
      "Run      runs/a\nModel    runs/a/model",
      "Next     deno task train dpo --model_name_or_path runs/a/model --dataset",
    ]
  ) assert.ok(text.includes(part), `${part}\nis not in\n${text}`);
  const document = trainDocument(report);
  assert.equal(document.model, "runs/a/model");
  assert.deepEqual(Object.keys(document.heldOut?.points[0] ?? {}), [
    "step",
    "loss",
    "low",
    "high",
    "perplexity",
  ]);
});
