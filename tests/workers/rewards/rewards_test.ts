import assert from "node:assert/strict";
import { join } from "node:path";
import { DivergedError, InputError } from "../../../core/errors.ts";
import type { ScoredResponse } from "../../../core/rewards/reward_source.ts";
import { refuseConstantRewards } from "../../../core/rewards/reward_source.ts";
import { createWorld, promptMessages } from "../../../data/builtin/world.ts";
import { rewardFingerprint } from "../../../workers/rewards/fingerprint.ts";
import { openRewards, type RewardOptions } from "../../../workers/rewards/mod.ts";
import { parseRewards, parseScale, sourcesByDimension } from "../../../workers/rewards/spec.ts";
import { assertNear } from "../../near.ts";
import { type TinyClassifier, writeClassifier } from "./tiny_classifier.ts";

const options: RewardOptions["options"] = {
  onEvent: () => {},
  signal: new AbortController().signal,
  env: () => undefined,
};

/** Sources that need no base model. */
function open(spec: string, dimensions: string[], more: Partial<RewardOptions> = {}) {
  const shared = () => Promise.reject(new Error("no base model is needed"));
  return openRewards(spec, { dimensions, shared, options, ...more });
}

function response(question: string, text: string): ScoredResponse {
  const sequence = { prompt: Int32Array.of(1), response: Int32Array.of(2) };
  return { prompt: [{ role: "user", content: question }], response: text, sequence };
}

async function withClassifier(
  classifier: TinyClassifier,
  fn: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await writeClassifier(folder, classifier);
    await fn(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const politeness: TinyClassifier = {
  labels: { rude: { bad: 2 }, harmless: { good: 1 }, other: {} },
};

Deno.test("parseRewards() reads a source per dimension, or one for all", () => {
  assert.deepEqual(parseRewards("runs/a"), [{ dimension: null, source: "runs/a" }]);
  assert.deepEqual(parseRewards("helpful=runs/a, harmless=m/x#ok"), [
    { dimension: "helpful", source: "runs/a" },
    { dimension: "harmless", source: "m/x#ok" },
  ]);
  assert.deepEqual(parseRewards("runs/lr=3"), [{ dimension: null, source: "runs/lr=3" }]);
  const dimensions = ["helpful", "harmless"];
  assert.deepEqual(sourcesByDimension("harmless=b,helpful=a", dimensions), ["a", "b"]);
  const refuse = (spec: string, message: RegExp) =>
    assert.throws(() => sourcesByDimension(spec, dimensions), message);
  refuse("helpful=a", /expected a source for the dimension harmless, got helpful=a/);
  refuse("helpful=a,kind=b", /expected dimensions among helpful, harmless/);
  refuse("helpful=a,helpful=b", /expected one source for the dimension helpful/);
  refuse("helpful=a,b", /expected dimension=SOURCE in every part/);
  refuse("helpful=a,harmless=", /expected a source in every part/);
});

Deno.test("parseScale() gives 1 where nothing is named, and refuses what is no factor", () => {
  const dimensions = ["helpful", "harmless"];
  assert.deepEqual(parseScale(undefined, dimensions), [1, 1]);
  assert.deepEqual(parseScale("harmless=5", dimensions), [1, 5]);
  for (
    const text of ["5", "harmless=", "harmless=-1", "kind=2", "harmless=NaN", "harmless=1e999"]
  ) {
    assert.throws(
      () => parseScale(text, dimensions),
      /Cannot read reward_scale: expected name=fac/,
    );
  }
});

Deno.test("openRewards(builtin) gives the world's rewards, in the order asked for and scaled", async () => {
  const world = createWorld();
  await using source = await open("builtin", ["harmless", "helpful"], { scale: "harmless=5" });
  const asked = world.test.slice(0, 5).flatMap((prompt) =>
    prompt.answers.map(({ text, rewards }) => ({ prompt, text, rewards }))
  );
  const scores = await source.score(asked.map(({ prompt, text }) => ({
    ...response("", text),
    prompt: promptMessages(prompt),
  })));
  assert.deepEqual(
    scores,
    asked.map(({ rewards: [helpful = 0, harmless = 0] }) => [
      5 * harmless,
      helpful,
    ]),
  );
  assert.deepEqual(await source.score([]), []);
});

Deno.test("openRewards() of a classifier is the log-odds of the label, worked by hand", async () => {
  await withClassifier(politeness, async (folder) => {
    await using source = await open(`harmless=${folder}`, ["harmless"]);
    const scores = await source.score([
      // Words count in prompt and response: logits (0, 3, 0); 3 − log(e⁰ + e⁰) = 3 − 0.693147.
      response("good question", "good good"),
      // logits (4, 1, 0): 1 − log(e⁴ + e⁰) = 1 − 4.018150.
      response("bad", "bad but good"),
      response("so", "so"), // logits (0, 0, 0): −log 2
    ]);
    assertNear(scores.flat(), [3 - 0.693147, 1 - 4.01815, -0.693147], { tolerance: 1e-5 });
    await using named = await open(`helpful=${folder}#rude`, ["helpful"]);
    assertNear((await named.score([response("", "bad")])).flat(), [2 - Math.log(2)], {
      tolerance: 1e-5,
    });
  });
});

Deno.test("openRewards() of classifiers: single outputs, independent labels, batches, places", async () => {
  await withClassifier({ labels: { score: { good: 2 } }, place: "model.onnx" }, async (folder) => {
    await using source = await open(folder, ["helpful"]);
    const many = Array.from({ length: 40 }, (_, n) => response("", "good ".repeat(n % 5)));
    const scores = await source.score(many);
    assert.deepEqual(scores, many.map((_, n) => [2 * (n % 5)]));
  });
  const independent = { ...politeness, problemType: "multi_label_classification" };
  await withClassifier(independent, async (folder) => {
    await using source = await open(`harmless=${folder},a=${folder}#rude`, ["a", "harmless"]);
    assert.deepEqual(await source.score([response("", "bad good good")]), [[2, 2]]);
  });
  const chatTemplate =
    "{% for m in messages %}{{ m['role'] + ' ' + m['content'] + ' ' }}{% endfor %}";
  const roles = { labels: { score: { user: 10, assistant: 100, good: 1 } }, chatTemplate };
  await withClassifier(roles, async (folder) => {
    await using source = await open(folder, ["helpful"]);
    assert.deepEqual(await source.score([response("good", "good")]), [[112]]);
  });
});

Deno.test("openRewards() of a classifier leaves the prompt's start out where it is too long", async () => {
  await withClassifier({ labels: { score: { good: 1, old: 100 } }, limit: 8 }, async (folder) => {
    await using source = await open(folder, ["helpful"]);
    // 8 tokens: five of the prompt's seven, [SEP], the response, [SEP].
    const scores = await source.score([response("old old good good good good good", "good")]);
    assert.deepEqual(scores, [[6]]);
    await assert.rejects(
      source.score([response("good", "good ".repeat(20))]),
      /Cannot score a response: expected at most 8 tokens of the classifier, got 22/,
    );
  });
});

Deno.test("openRewards() refuses in one sentence what it cannot use", async () => {
  const refuse = async (spec: string, dimensions: string[], message: RegExp) =>
    await assert.rejects(open(spec, dimensions), (error) => {
      assert.ok(error instanceof InputError, String(error));
      assert.match(error.message, message);
      return true;
    });
  await refuse(
    "builtin",
    ["kind"],
    /expected dimensions among helpful, harmless, concise, got kind/,
  );
  await refuse("./nothing/at/all", ["helpful"], /got nothing there/);
  const empty = await Deno.makeTempDir();
  await refuse(empty, ["helpful"], /expected the folder of a trained reward model or of an ONNX/);
  await Deno.writeTextFile(join(empty, "config.json"), "{}");
  await refuse(empty, ["helpful"], /expected a graph such as onnx\/model.onnx in it, got none/);
  await Deno.mkdir(join(empty, "onnx"));
  await Deno.writeTextFile(join(empty, "onnx", "model.onnx"), "nothing");
  await refuse(empty, ["helpful"], /expected an ONNX text classifier, got one that does not open/);
  await Deno.remove(empty, { recursive: true });
  await withClassifier(politeness, async (folder) => {
    await refuse(folder, ["helpful"], /with a label among rude, harmless, other, got none/);
    await refuse(`${folder}#kind`, ["helpful"], /with a label among rude.*got kind/);
    await refuse(`${folder}#rude`, ["helpful", "harmless"], /expected a label for each of helpful/);
  });
});

Deno.test("rewards that are not finite are told with their dimension; constant ones are refused", async () => {
  await withClassifier({ labels: { score: { worse: -Infinity } } }, async (folder) => {
    await using source = await open(`harmless=${folder},helpful=builtin`, ["helpful", "harmless"]);
    const question = createWorld().test[0]?.text ?? "";
    await assert.rejects(
      source.score([response(question, "fine"), response(question, "worse")]),
      (error) => {
        assert.ok(error instanceof DivergedError);
        assert.match(
          error.message,
          /finite numbers, got -Infinity for response 1 in the dimension/,
        );
        return true;
      },
    );
  });
  const named = { dimensions: ["helpful", "harmless"], source: "runs/rm" };
  refuseConstantRewards([[1, 2], [1, 3], [2, 2]], named);
  refuseConstantRewards([[1, 2]], named);
  assert.throws(
    () => refuseConstantRewards([[1, 2], [3, 2]], named),
    /rewards that differ between responses, got 2 for all 2 in the dimension harmless/,
  );
});

Deno.test("rewardFingerprint() is that of the contents: another folder alike, another weight not", async () => {
  const dimensions = ["helpful"];
  await withClassifier(politeness, async (first) => {
    await withClassifier(politeness, async (second) => {
      const of = (spec: string) => rewardFingerprint(spec, dimensions);
      assert.equal(await of(`${first}#rude`), await of(`helpful=${second}#rude`));
      assert.notEqual(await of(`${first}#rude`), await of(`${first}#harmless`));
      const before = await of(`${second}#rude`);
      await writeClassifier(second, { labels: { rude: { bad: 3 }, harmless: {}, other: {} } });
      assert.notEqual(await of(`${second}#rude`), before);
    });
  });
  assert.equal(
    await rewardFingerprint("builtin", dimensions),
    await rewardFingerprint("helpful=builtin", dimensions),
  );
  assert.notEqual(
    await rewardFingerprint("builtin", dimensions),
    await rewardFingerprint("builtin", ["harmless"]),
  );
});
