// `deno task reproduce` on the built-in world with the smallest settings that train at all: the whole
// plan with its report, going on after a stop, and what happens when runs fail.
import assert from "node:assert/strict";
import { join } from "node:path";
import { BusyError, InputError } from "../../../core/errors.ts";
import { Report } from "../../../core/report/report.ts";
import type { SessionEvent, SessionOptions } from "../../../workers/protocol.ts";
import { lockRun } from "../../../data/store/run_folder.ts";
import { executePlan } from "../../../workers/reproduce/execute.ts";
import { planFor, type ReproduceRequest, runReproduction } from "../../../workers/reproduce/mod.ts";
import { openRecords } from "../../../workers/reproduce/records.ts";
import { temporaryFolder } from "../../data/store/fixtures.ts";
import { whyMissing } from "../../engines.ts";

const engine = whyMissing("tensorflow") === null ? "tensorflow" : "wasm";

function request(outputDir: string, changes: Partial<ReproduceRequest> = {}): ReproduceRequest {
  return {
    ...{ scale: "tiny", outputDir, seeds: 1, grid: 2, bootstrap: 5, share: 0.001, only: [] },
    compute: { engine, threads: 0, device: "auto" },
    ...changes,
  };
}

/** Options of a session whose events are kept; `stopAt` aborts it at a notice. */
function session(stopAt?: RegExp): { options: SessionOptions; notices: string[] } {
  const controller = new AbortController();
  const notices: string[] = [];
  const onEvent = (event: SessionEvent) => {
    if (event.type !== "notice") return;
    notices.push(event.message);
    if (stopAt?.test(event.message)) controller.abort(new Error("stopped by the test"));
  };
  const options = { onEvent, signal: controller.signal, env: (name: string) => Deno.env.get(name) };
  return { options, notices };
}

Deno.test("tiny runs every part of its plan, and the same call again trains nothing", async () => {
  await using folder = await temporaryFolder();
  const wanted = request(join(folder.path, "all"));
  const { report, files, failed, stopped } = await runReproduction(wanted, session().options);
  assert.deepEqual(failed, []);
  assert.equal(stopped, false);
  const { runs, samples, methods } = report.results;
  assert.ok(runs.every(({ state }) => state === "done"));
  assert.equal(runs.length, planFor(wanted).runs.length);
  for (const { name, cost, fronts } of runs) {
    assert.ok(Object.keys(fronts).length > 0, `${name} has a front`);
    assert.ok(cost && cost.tokens > 0 && cost.seconds > 0 && cost.peakBytes > 1e7, name);
    assert.ok(cost.wallSeconds >= cost.seconds, name);
  }
  // Baselines are paid for by all of their members.
  const policies = Object.fromEntries(runs.map(({ method, cost }) => [method, cost?.policies]));
  const families = Object.fromEntries(methods.map(({ name, family }) => [name, family]));
  for (const [method, count] of Object.entries(policies)) {
    const single = families[method] === "panacea" || families[method] === "single_policy";
    assert.equal(count, single ? 1 : 2, method);
  }
  assert.deepEqual(samples.map(({ answers }) => answers.length), [5, 5]);
  assert.ok(samples.every(({ answers }) => answers.every(({ answer }) => answer.length > 5)));
  // One stage of one iteration is no evolution; curves need two points.
  const drawn = files.map((file) => file.split("/").at(-1)).sort();
  assert.deepEqual(drawn, [
    ...["ablations.svg", "dimensions.svg", "figure_3.svg", "figure_4_left.svg", "figure_5.svg"],
    ...["figure_6.svg", "figure_7.svg", "figure_8.svg", "labellers.svg"],
    ...["report.html", "report.json", "same_compute_dpo.svg", "same_compute_rlhf.svg"],
  ]);
  for (const file of files) {
    const text = await Deno.readTextFile(file);
    assert.ok(!text.includes(folder.path), `${file} names a folder of this machine`);
  }
  const stored = Report.parse(JSON.parse(await Deno.readTextFile(files[1] ?? "")));
  assert.deepEqual(stored, report);

  const again = session();
  const second = await runReproduction(wanted, again.options);
  assert.equal(second.before, runs.length);
  assert.deepEqual(again.notices, []);
  assert.deepEqual(second.report.results.runs, runs);
});

Deno.test("a stopped reproduction writes what it has and goes on where it was", async () => {
  await using folder = await temporaryFolder();
  const wanted = request(join(folder.path, "parts"), { only: ["ablations"] });
  const first = session(/^Run 2 of 3/);
  const stopped = await runReproduction(wanted, first.options);
  assert.equal(stopped.stopped, true);
  const states = ({ results }: Report) => results.runs.map(({ state }) => state);
  assert.deepEqual(states(stopped.report), ["done", "missing", "missing"]);
  assert.match(await Deno.readTextFile(stopped.files[0] ?? ""), /1 of 3 runs finished/);

  const second = session();
  const done = await runReproduction(wanted, second.options);
  assert.equal(done.before, 1);
  assert.deepEqual(states(done.report), ["done", "done", "done"]);
  assert.deepEqual(second.notices.filter((text) => /^Run/.test(text)).map((text) => text[4]), [
    "2",
    "3",
  ]);

  // The same folder is not gone on with under other settings, nor by two at once.
  await assert.rejects(
    runReproduction({ ...wanted, grid: 3 }, session().options),
    (error) => error instanceof InputError && /give the same flags, or another/.test(error.message),
  );
  const lock = await lockRun(wanted.outputDir);
  await assert.rejects(runReproduction(wanted, session().options), BusyError);
  await lock.release();
});

Deno.test("a failed run is named, what needs it is left out, the rest goes on and it is tried again", async () => {
  await using folder = await temporaryFolder();
  const wanted = request(join(folder.path, "failing"), { only: ["ablations"] });
  const plan = planFor(wanted);
  const [plain, oneLambda, orthogonal] = plan.runs;
  assert.ok(plain && oneLambda && orthogonal);
  const model = join(folder.path, "no-such-model");
  const broken = {
    ...plan,
    runs: [
      { ...plain, config: { ...plain.config, model_name_or_path: model } },
      { ...oneLambda, after: [plain.name] },
      orthogonal,
    ],
  };
  const records = openRecords(wanted.outputDir);
  const told: string[][] = [];
  const { options, notices } = session();
  const execute = (which: typeof plan) =>
    executePlan(which, {
      records,
      options,
      onRun: (runs) => {
        told.push(runs.map(({ state }) => state));
        return Promise.resolve();
      },
    });
  const { runs, stopped } = await execute(broken);
  assert.equal(stopped, false);
  assert.deepEqual(runs.map(({ state }) => state), ["failed", "failed", "done"]);
  assert.match(runs[0]?.error ?? "", /^Cannot open /);
  assert.match(runs[1]?.error ?? "", /needs panacea_dpo_42, which is not finished/);
  assert.ok(notices.some((text) => /^Run panacea_dpo_42 failed: .*; going on/.test(text)));
  assert.deepEqual(told.at(-1), ["failed", "failed", "done"]);
  const again = await execute(broken);
  assert.deepEqual(again.runs.map(({ state }) => state), ["failed", "failed", "done"]);
});
