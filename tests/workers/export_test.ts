// Exports as they are described: names, λ, LoRAs and cards; what other tools make of them is in
// export_peft_test.ts and export_llama_test.ts.
import assert from "node:assert/strict";
import { join } from "node:path";
import { ExportRecord } from "../../data/store/exports.ts";
import { readFolderVerified } from "../../data/store/manifest.ts";
import { runExport } from "../../workers/export.ts";
import type { ExportRequest } from "../../workers/protocol.ts";
import { silent, storeRandomAdapter } from "./export_fixture.ts";

interface Written {
  text(name: string): string;
  names: string[];
  record: ExportRecord;
}

/** Exports a random adapter and reads the folder back, every file verified. */
async function exportOf(
  adapter: Parameters<typeof storeRandomAdapter>[1],
  request: Pick<ExportRequest, "format"> & Partial<ExportRequest>,
): Promise<Written> {
  const folder = await Deno.makeTempDir();
  try {
    const run = join(folder, "first");
    await storeRandomAdapter(run, adapter);
    const output = join(folder, "out");
    const report = await runExport({ ...request, adapter: run, output }, silent);
    const files = await readFolderVerified(output);
    const text = (name: string) => new TextDecoder().decode(files[name]);
    const names = Object.keys(files);
    assert.deepEqual(
      report.files.map((path) => path.slice(output.length + 1)).sort(),
      [...names, "manifest.json"].sort(),
    );
    const record = ExportRecord.parse(JSON.parse(text("panacea_export.json")));
    return { text, names, record };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const golden = { model: "llama_tied" };

Deno.test("a split tells which LoRA has which scale, of soups too, and how they are put together", async () => {
  const panacea = await exportOf(golden, { format: "split" });
  assert.deepEqual(panacea.record.loras, [
    { scale: null, rank: 3, gguf: "0-shared.gguf", peft: "0-shared" },
    { scale: "helpful", rank: 1, gguf: "1-helpful.gguf", peft: "1-helpful" },
    { scale: "harmless", rank: 1, gguf: "2-harmless.gguf", peft: "2-harmless" },
  ]);
  const card = panacea.text("README.md");
  assert.match(card, /--lora 0-shared\.gguf,1-helpful\.gguf,2-harmless\.gguf /);
  assert.match(
    card,
    /"lora":\[\{"id":0,"scale":1\},\{"id":1,"scale":0\.667\},\{"id":2,"scale":0\.333\}\]/,
  );
  const soups = await exportOf(
    { ...golden, kind: "rewarded_soups", members: [[1, 0], [0, 1]] },
    { format: "split" },
  );
  assert.deepEqual(soups.record.loras, [
    { scale: "helpful", rank: 4, gguf: "0-helpful.gguf", peft: "0-helpful" },
    { scale: "harmless", rank: 4, gguf: "1-harmless.gguf", peft: "1-harmless" },
  ]);
});

Deno.test("names of dimensions become names of files that every system takes", async () => {
  const changes = { dimensions: ["../up", "a b/ü"] };
  const { record, names } = await exportOf({ ...golden, changes }, { format: "split" });
  assert.deepEqual(record.loras?.map(({ gguf }) => gguf), [
    "0-shared.gguf",
    "1-_up.gguf",
    "2-a_b_.gguf",
  ]);
  assert(names.includes("1-_up/adapter_config.json"));
});

Deno.test("an adapter of one dimension needs no preference", async () => {
  const changes = { dimensions: ["imitation"] };
  const { record, text } = await exportOf(
    { ...golden, kind: "lora", changes },
    { format: "peft" },
  );
  assert.deepEqual(record.preference, [1]);
  assert.match(text("README.md"), /^# first at λ imitation 1: a LoRA$/m);
});

Deno.test("a base is called by its name without its folder, or as the user says, and never by its path", async () => {
  const own = await exportOf(golden, { format: "peft", preference: "0.3,0.7" });
  const named = await exportOf(golden, {
    ...{ format: "peft", preference: "0.3,0.7" },
    base: "owner/base",
    license: "mit",
  });
  for (
    const [{ record, text, names }, base] of [[own, "llama_tied"], [named, "owner/base"]] as const
  ) {
    assert.equal(record.base_model, base);
    const config = JSON.parse(text("adapter_config.json"));
    assert.deepEqual([config.base_model_name_or_path, config.r, config.lora_alpha], [base, 5, 5]);
    assert.match(text("README.md"), new RegExp(`^base_model: "${base}"$`, "m"));
    for (const name of names.filter((name) => !name.endsWith(".safetensors"))) {
      assert.doesNotMatch(text(name), /golden/, `${name} names where the base lies`);
    }
  }
  assert.match(named.text("README.md"), /^license: "mit"$/m);
  assert.doesNotMatch(own.text("README.md"), /^license/m);
});

Deno.test("a session that is stopped while it merges leaves nothing behind", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const adapter = join(folder, "first");
    await storeRandomAdapter(adapter, { model: "builtin" });
    const stop = new AbortController();
    const request = { adapter, format: "merged", preference: "1,0" } as const;
    const options = {
      ...silent,
      signal: stop.signal,
      onEvent: () => stop.abort(new Error("stopped")),
    };
    await assert.rejects(runExport({ ...request, output: join(folder, "out") }, options), {
      message: "stopped",
    });
    const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
    assert.deepEqual(names, ["first"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
