import assert from "node:assert/strict";
import { join } from "node:path";
import { builtinText } from "../../commands/builtin.ts";
import { openModel } from "../../data/models.ts";
import { readFolderVerified } from "../../data/store/manifest.ts";
import { runBuiltin } from "../../workers/builtin.ts";
import type { SessionEvent } from "../../workers/protocol.ts";
import { whyMissing } from "../engines.ts";

const reason = whyMissing("tensorflow");
const request = {
  seed: 1,
  steps: 2,
  learning_rate: 1e-3,
  engine: "tensorflow" as const,
  threads: 1,
  device: "cpu",
};

Deno.test({
  name: `runBuiltin() writes a model that opens, and reports it${
    reason ? `: skipped, ${reason}` : ""
  }`,
  ignore: reason !== null,
  sanitizeResources: false,
  async fn() {
    const folder = join(await Deno.makeTempDir(), "nested", "model");
    const events: SessionEvent[] = [];
    const { signal } = new AbortController();
    const options = { env: Deno.env.get, signal, onEvent: (e: SessionEvent) => events.push(e) };
    const report = await runBuiltin({ ...request, output_dir: folder }, options);
    assert.deepEqual(
      Object.keys(await readFolderVerified(folder)).sort(),
      ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"],
    );
    const model = await openModel(folder);
    model.close();
    assert.equal(model.weights.names.length, 38); // 4 · 9 of the blocks, embedding, norm
    assert.ok(report.parameters < 2e6 && report.bytes < 5e6);
    assert.ok(Number.isFinite(report.heldOutLoss));
    assert.equal(events.filter(({ type }) => type === "step").length, 2);
    const means = Object.values(report.shares).reduce((sum, { mean }) => sum + mean, 0);
    assert.ok(Math.abs(means - 1) < 1e-6);
    assert.match(builtinText(report), /Trained 2 steps in .*; loss on unseen prompts/);
  },
});

Deno.test({
  name: `runBuiltin() writes nothing when it is stopped${reason ? `: skipped, ${reason}` : ""}`,
  ignore: reason !== null,
  sanitizeResources: false,
  async fn() {
    const folder = join(await Deno.makeTempDir(), "model");
    const controller = new AbortController();
    const stopped = runBuiltin({ ...request, output_dir: folder }, {
      env: Deno.env.get,
      signal: controller.signal,
      onEvent: ({ type }) => type === "step" && controller.abort(new Error("Stopped")),
    });
    await assert.rejects(stopped, /Stopped/);
    await assert.rejects(Deno.stat(folder), Deno.errors.NotFound);
  },
});
