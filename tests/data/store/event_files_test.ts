// What a run tells other tools of its steps: tensorboard's event files and transformers'
// trainer_state.json, read back by those tools themselves.
import assert from "node:assert/strict";
import { join } from "node:path";
import { openRun } from "../../../data/store/run_folder.ts";
import { crc32c, scalarsRecord, startRecord, versionRecord } from "../../../data/store/tfevents.ts";
import { runPython, whyNoModules } from "../../python.ts";
import { temporaryFolder } from "./fixtures.ts";

const noTensorboard = await whyNoModules("tensorboard");
const noTransformers = await whyNoModules("torch", "transformers");

Deno.test("crc32c() of the examples of RFC 3720", () => {
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(255)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
});

Deno.test("records hold length, message and checksums", () => {
  // wall_time 1 (09 …f03f), step 300 (10 ac02), summary (2a) of one value (0a): tag "a", 1.5.
  const message = "09000000000000f03f" + "10ac02" + "2a0a" + "0a08" + "0a0161" + "150000c03f";
  const bytes = scalarsRecord({ wallTime: 1, step: 300 }, { a: 1.5 });
  assert.equal(bytes.subarray(12, -4).toHex(), message);
  assert.equal(bytes.subarray(0, 8).toHex(), `${(message.length / 2).toString(16)}00000000000000`);
  const unmasked = (at: number) => {
    const masked = new DataView(bytes.buffer).getUint32(at, true);
    const turned = (masked - 0xa282ead8) >>> 0;
    return ((turned >>> 17) | (turned << 15)) >>> 0;
  };
  assert.equal(unmasked(8), crc32c(bytes.subarray(0, 8)));
  assert.equal(unmasked(bytes.length - 4), crc32c(bytes.subarray(12, -4)));
  assert.equal(
    startRecord({ wallTime: 1, step: 4 }).subarray(12, -4).toHex(),
    "09000000000000f03f" + "1004" + "3a02" + "0801",
  );
  assert.match(new TextDecoder().decode(versionRecord(1)), /brain\.Event:2/);
});

const rows = [1, 2, 3, 4, 5, 6].map((step) => ({
  step,
  loss: -1 / step,
  "reward/harmless ü": 1e6 / 3 * step,
  tokens: 2 ** 31 * step,
}));

Deno.test({
  name: "tensorboard reads the rows of an interrupted run, each step once" +
    (noTensorboard === null ? "" : `: skipped, ${noTensorboard}`),
  ignore: noTensorboard !== null,
  async fn() {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "run");
    {
      await using run = await openRun(path, { create: true });
      await run.appendMetrics(rows.slice(0, 2));
      await run.appendMetrics(rows.slice(2, 5).map((row) => ({ ...row, note: "left out" })));
    }
    {
      await using run = await openRun(path, { create: true });
      await run.truncateMetrics(3); // the checkpoint it goes on from
      await run.appendMetrics(rows.slice(3).map((row) => ({ ...row, loss: 7 })));
    }
    const script = new URL("./read_events.py", import.meta.url);
    const found = await runPython<Record<string, [number, number][]>>(script, {
      args: [join(path, "tensorboard")],
    });
    const column = (name: "loss" | "tokens" | "reward/harmless ü") =>
      rows.map((row): [number, number] => [row.step, Math.fround(row[name])]);
    assert.deepEqual(found, {
      "train/loss": column("loss").map(([step, loss]) => [step, step > 3 ? 7 : loss]),
      "train/reward/harmless ü": column("reward/harmless ü"),
      "train/tokens": column("tokens"),
    });
  },
});

Deno.test({
  name: "transformers opens trainer_state.json with the whole log" +
    (noTransformers === null ? "" : `: skipped, ${noTransformers}`),
  ignore: noTransformers !== null,
  async fn() {
    await using folder = await temporaryFolder();
    await using run = await openRun(join(folder.path, "run"), { create: true });
    await run.appendMetrics(rows);
    const config = { logging_steps: 1, eval_steps: 0, save_steps: 3 };
    await run.saveTrainerState({ step: 6, steps: 10, tokens: 900, config });
    const script = new URL("./read_trainer_state.py", import.meta.url);
    const state = await runPython<Record<string, unknown>>(script, {
      args: [join(run.path, "trainer_state.json")],
    });
    assert.deepEqual(state.log_history, rows);
    assert.deepEqual(
      [state.global_step, state.max_steps, state.num_input_tokens_seen, state.save_steps],
      [6, 10, 900, 3],
    );
  },
});
