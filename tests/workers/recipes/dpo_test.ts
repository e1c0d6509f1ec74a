// DPO and its relatives from settings to a stored adapter and its fronts, in the built-in world.
import assert from "node:assert/strict";
import { join } from "node:path";
import { aggregations } from "../../../core/aggregation/mod.ts";
import { presets, RunConfig } from "../../../core/config.ts";
import { InputError } from "../../../core/errors.ts";
import type { FrontReport } from "../../../core/front/report.ts";
import { pairwiseLosses } from "../../../core/objectives/pairwise_losses.ts";
import { knowsExactDpo } from "../../../data/builtin/exact.ts";
import { findLibtensorflow } from "../../../data/native.ts";
import { loadMetrics, openAdapter } from "../../../data/store/run_folder.ts";
import { frontSettings } from "../../../workers/front_settings.ts";
import type { FrontRequest, SessionOptions } from "../../../workers/protocol.ts";
import { runFront, runTraining } from "../../../workers/session.ts";
import { temporaryFolder } from "../../data/store/fixtures.ts";
import { whyMissing } from "../../engines.ts";

const engine = whyMissing("tensorflow") === null ? "tensorflow" : "wasm";
const library = await findLibtensorflow({
  env: Deno.env.get,
  onProgress: () => {},
  download: false,
});

/** Every loss, and what its run is started with besides. */
const variants: Record<string, Partial<RunConfig>> = {
  simpo: { loss_type: "simpo", beta: 2, rpo_alpha: 0 }, // first: no reference was ever scored
  sigmoid: {},
  hinge: { loss_type: "hinge" },
  ipo: { loss_type: "ipo", beta: 0.5 },
  "conservative DPO": { label_smoothing: 0.2 },
  "SimPO with rpo_alpha": { loss_type: "simpo", beta: 2, rpo_alpha: 0.1 },
};

function config(output_dir: string, changes: Partial<RunConfig>): RunConfig {
  return RunConfig.parse({
    ...{ ...presets.builtin?.values, engine, output_dir, threads: 1, max_steps: 12 },
    ...{ per_device_train_batch_size: 8, warmup_ratio: 0, grid: 2, bootstrap: 0, ...changes },
  });
}

function request(adapter: string, changes: Partial<FrontRequest>): FrontRequest {
  return {
    ...{ adapter, grid: 2, bootstrap: 0, seed: 42, engine, threads: 1, device: "auto" },
    ...{ maxTokensPerPass: 4096, limit: 40, ...changes },
  };
}

/** What a session told of, and options that listen to it with a cache of their own. */
function listening(cache: string): { whats: Set<string>; options: SessionOptions } {
  const whats = new Set<string>();
  return {
    whats,
    options: {
      onEvent: (event) => event.type === "progress" && whats.add(event.what),
      signal: new AbortController().signal,
      env(name) {
        if (name === "XDG_CACHE_HOME") return cache;
        if (name === "LIBTENSORFLOW_DIR" && "directory" in library) return library.directory;
        return Deno.env.get(name);
      },
    },
  };
}

/** Asserts that each of two dimensions is better where it counts alone than where it does not. */
function assertSteers(front: FrontReport | undefined, what: string): void {
  const [second, first] = [front?.points[0], front?.points.at(-1)]; // λ = (0, 1) and (1, 0)
  const [gain = NaN, loss = NaN] = [0, 1].map((i) =>
    (first?.values[i] ?? NaN) - (second?.values[i] ?? NaN)
  );
  assert(
    gain > 0 && loss < 0,
    `${what}: from λ = (0, 1) to (1, 0) values move by ${gain}, ${loss}`,
  );
}

Deno.test("every loss of a pair trains, is stored and has fronts by its own reward", async (t) => {
  await using folder = await temporaryFolder();
  const hashes = new Map<string, string>();
  const cache = join(folder.path, "cache");
  let scored = false; // the reference, which all runs share
  for (const [name, changes] of Object.entries(variants)) {
    await t.step(name, async () => {
      const output_dir = join(folder.path, name.replaceAll(/\W/g, "_"));
      const run = config(output_dir, changes);
      const loss = pairwiseLosses[run.loss_type];
      const first = loss.needs.reference && !scored;
      scored ||= first;
      const training = listening(cache);
      const { front } = await runTraining(run, training.options);
      assert.equal(training.whats.has("Reference on training pairs"), first);
      const rows = await loadMetrics(output_dir);
      assert.equal(rows.length, run.max_steps);
      assertSteers(front, name);

      const { config: stored, parametersHash } = await openAdapter(output_dir);
      assert.equal(stored.loss_type, run.loss_type === "sigmoid" ? undefined : run.loss_type);
      const twin = [...hashes].find(([, hash]) => hash === parametersHash);
      assert.equal(twin, undefined, `${name} learns what ${twin?.[0]} does`);
      hashes.set(name, parametersHash);

      // Only of DPO itself is the optimum known.
      assert.equal(front?.exact !== undefined, name === "sigmoid");
      const evaluation = listening(cache);
      const wanted = request(output_dir, { metric: "implicit_accuracy" });
      const { report } = await runFront(wanted, evaluation.options);
      assert.equal(report.metric, "implicit_accuracy");
      assertSteers(report, name);
      assert.equal(evaluation.whats.has("Reference on test pairs"), first);
      const { lossType } = await frontSettings(wanted);
      assert.equal(lossType, stored.loss_type);
    });
  }
});

Deno.test("every aggregation trains, and its front lies beside the exact one where it is known", async (t) => {
  await using folder = await temporaryFolder();
  const hashes = new Set<string>();
  for (const aggregation of Object.keys(aggregations) as RunConfig["aggregation"][]) {
    await t.step(aggregation, async () => {
      const output_dir = join(folder.path, aggregation);
      const { options } = listening(join(folder.path, "cache"));
      const { front } = await runTraining(config(output_dir, { aggregation }), options);
      assertSteers(front, aggregation);
      assert.equal(front?.exact !== undefined, knowsExactDpo(aggregation));
      const { config: stored, parametersHash } = await openAdapter(output_dir);
      assert.equal(stored.aggregation, aggregation);
      assert(!hashes.has(parametersHash), `${aggregation} learns what another does`);
      hashes.add(parametersHash);
    });
  }
});

Deno.test("settings that do not fit the loss are refused before anything is written", async () => {
  await using folder = await temporaryFolder();
  const output_dir = join(folder.path, "run");
  const { options } = listening(folder.path);
  await assert.rejects(
    runTraining(config(output_dir, { loss_type: "ipo", label_smoothing: 0.1 }), options),
    (error) => error instanceof InputError && /loss_type ipo: expected/.test(error.message),
  );
  await assert.rejects(Deno.stat(output_dir), Deno.errors.NotFound);
});
