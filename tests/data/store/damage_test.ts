// Every stored file, damaged in every way: refused with its name (quality bar 16).
import assert from "node:assert/strict";
import { join } from "node:path";
import { RunConfig } from "../../../core/config.ts";
import { CorruptFileError } from "../../../core/errors.ts";
import { Random } from "../../../core/random.ts";
import { loadConfig, openAdapter, openRun } from "../../../data/store/run_folder.ts";
import { latestCheckpoint } from "../../../data/store/checkpoints.ts";
import { adapterConfig, checkpointOf, temporaryFolder, tensorsOf } from "./fixtures.ts";

const FLIPS = 50; // per file: 500 in all

async function savedRun() {
  const folder = await temporaryFolder();
  await using run = await openRun(join(folder.path, "run"), { create: true });
  await run.saveConfig(RunConfig.parse({}));
  await run.saveCheckpoint(1, checkpointOf(1), { limit: 1 });
  await run.saveAdapter({ tensors: tensorsOf(2), config: adapterConfig(2), card: "# card\n" });
  const { path } = run;
  const readers: [string, () => Promise<unknown>][] = [
    ["run_config.json", () => loadConfig(path)],
    ...["adapter_model.safetensors", "adapter_config.json", "README.md", "manifest.json"].map(
      (name): [string, () => Promise<unknown>] => [name, () => openAdapter(path)],
    ),
    ...[
      "adapter_model.safetensors",
      "adapter_config.json",
      "optimizer.safetensors",
      "trainer_state.json",
      "manifest.json",
    ].map((name): [string, () => Promise<unknown>] => [
      join("checkpoint-1", name),
      () => latestCheckpoint(path),
    ]),
  ];
  const dispose = folder[Symbol.asyncDispose];
  return { path, readers, [Symbol.asyncDispose]: dispose };
}

async function assertRefused(file: string, read: () => Promise<unknown>, damage: string) {
  await assert.rejects(read(), (error) => {
    assert(error instanceof CorruptFileError, `${damage} of ${file}: ${error}`);
    assert(error.message.includes(file), `${damage} of ${file}: ${error.message}`);
    return true;
  });
}

Deno.test("500 flipped bits over all files of a run are refused, each with its file named", async () => {
  await using saved = await savedRun();
  const random = new Random(1);
  for (const [name, read] of saved.readers) {
    const file = join(saved.path, name);
    const good = await Deno.readFile(file);
    await read();
    for (let flip = 0; flip < FLIPS; flip++) {
      const bad = good.slice();
      const at = random.integer(bad.length);
      bad[at] = (bad[at] ?? 0) ^ (1 << random.integer(8));
      await Deno.writeFile(file, bad);
      await assertRefused(file, read, `bit flip at byte ${at}`);
    }
    await Deno.writeFile(file, good);
    await read();
  }
});

Deno.test("truncated, emptied and exchanged files of a run are refused by name", async () => {
  await using saved = await savedRun();
  const random = new Random(2);
  for (const [name, read] of saved.readers) {
    const file = join(saved.path, name);
    const good = await Deno.readFile(file);
    const damages: [string, Uint8Array][] = [
      ["truncation to 0", new Uint8Array()],
      ["loss of the last byte", good.subarray(0, -1)],
      ["an added byte", new Uint8Array([...good, 0x20])],
      ["zeros", new Uint8Array(good.length)],
      ["foreign JSON", new TextEncoder().encode('{"peft_type":"LORA"}')],
    ];
    for (let cut = 0; cut < 5; cut++) {
      damages.push(["truncation", good.subarray(0, random.integer(good.length))]);
    }
    for (const [damage, bytes] of damages) {
      // A trailing blank after the JSON of run_config.json changes nothing of what it says.
      if (name === "run_config.json" && /byte/.test(damage)) continue;
      await Deno.writeFile(file, bytes);
      await assertRefused(file, read, damage);
    }
    await Deno.remove(file);
    if (name === "run_config.json") assert.equal(await read(), null);
    else if (name !== "manifest.json") await assertRefused(file, read, "removal");
    await Deno.writeFile(file, good);
  }
});
