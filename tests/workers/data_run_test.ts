// A run on data that are not in the program's own form: columns of a Parquet file on a hub, from the
// training to a front of what was stored.
import assert from "node:assert/strict";
import { join } from "node:path";
import { RunConfig } from "../../core/config.ts";
import { describeAdapter, loadConfig } from "../../data/store/run_folder.ts";
import { runFront } from "../../workers/fronts.ts";
import { runTraining } from "../../workers/training.ts";
import { commit, fakeHub } from "../data/fake_hub.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";

Deno.test("a run reads a hub's Parquet by its columns, and its front the same rows later", async () => {
  const parquet = await Deno.readFile(
    new URL("../golden/parquet/snappy-v1.parquet", import.meta.url),
  );
  await using hub = await fakeHub({
    files: new Map([["train.parquet", parquet]]),
    kind: "datasets",
  });
  await using folder = await temporaryFolder();
  const variables: Record<string, string | undefined> = {
    HF_ENDPOINT: hub.options.endpoint,
    HF_HUB_CACHE: hub.options.cacheDir,
    XDG_CACHE_HOME: join(folder.path, "cache"),
  };
  const options = {
    env: (name: string) => variables[name],
    signal: new AbortController().signal,
    onEvent: () => {},
  };
  const output_dir = join(folder.path, "run");
  const compute = { engine: "wasm" as const, threads: 1, bootstrap: 0, grid: 2 };
  const config = RunConfig.parse({
    model_name_or_path: "builtin",
    dataset: "owner/tiny",
    columns: "prompt=prompt,chosen=response_0,rejected=response_1," +
      "label:helpful=helpful,label:harmless=harmless",
    output_dir,
    max_steps: 1,
    max_length: 128,
    per_device_train_batch_size: 2,
    lora_r: 2,
    dtype: "float32",
    ...compute,
  });
  const { front } = await runTraining(config, options);
  assert.deepEqual(front?.dimensions, ["helpful", "harmless"]);

  const stored = await loadConfig(output_dir);
  const snapshot = join(hub.options.cacheDir, "datasets--owner--tiny", "snapshots", commit);
  assert.equal(stored?.dataset, snapshot);
  assert.equal(stored?.columns, config.columns);
  const { config: adapter } = await describeAdapter(output_dir);
  assert.match(adapter.chat_template_hash ?? "", /^[0-9a-f]{64}$/);
  assert.notEqual(adapter.chat_template_hash, adapter.template_fingerprint);

  // The hub is gone: a stored run knows where its rows lie.
  await hub.stop();
  const again = await runFront({
    ...{ adapter: output_dir, seed: config.seed, device: "cpu", maxTokensPerPass: 4096 },
    ...compute,
    name: "again",
  }, options);
  assert.deepEqual(again.report.points, front?.points);
  // The same command finds nothing to do; other columns are another run.
  await assert.rejects(
    runTraining(
      { ...config, dataset: snapshot, columns: "prompt=prompt,chosen=response_0" },
      options,
    ),
    { name: "InputError", message: /columns/ },
  );
});
