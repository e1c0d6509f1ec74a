// Folders and the hub's cache beside Hugging Face's own libraries, which are called for real.
import assert from "node:assert/strict";
import { join } from "node:path";
import { dataFiles, hubPlace } from "../../../data/datasets/places.ts";
import { readRows } from "../../../data/datasets/rows.ts";
import { loadDataset } from "../../../data/datasets/mod.ts";
import { downloadDataset } from "../../../data/hub.ts";
import { runPython, whyNoModules } from "../../python.ts";
import { fakeHub } from "../fake_hub.ts";
import { temporaryFolder } from "../store/fixtures.ts";

const why = await whyNoModules("datasets", "huggingface_hub");
const script = new URL("./datasets_peer.py", import.meta.url);

Deno.test({
  name: `folders hold the rows that the library datasets finds in them${why ? ` (${why})` : ""}`,
  ignore: why !== null,
  async fn() {
    await using folder = await temporaryFolder();
    await runPython(script, { args: ["write", folder.path] });
    const places = ["parquet", "json"].map((form) => join(folder.path, form));
    const read = await runPython<Record<string, unknown[]>[]>(script, {
      args: ["read", ...places],
    });
    for (const [i, place] of places.entries()) {
      for (const [split, count] of [["train", 80], ["test", 7], ["validation", 3]] as const) {
        const rows: unknown[] = [];
        for (const file of await dataFiles(`${place}:${split}`)) {
          for await (const { value } of readRows(file)) rows.push(value);
        }
        assert.equal(rows.length, count);
        assert.deepEqual(rows, read[i]?.[split], `${place} ${split}`);
      }
      assert.equal((await loadDataset(`kind=${place}`)).examples.length, 80);
    }
  },
});

Deno.test({
  name: `huggingface_hub finds in the cache what downloadDataset() put there${
    why ? ` (${why})` : ""
  }`,
  ignore: why !== null,
  async fn() {
    const files = new Map([["data/train.jsonl", new TextEncoder().encode('{"a":1}\n')]]);
    await using hub = await fakeHub({ files, kind: "datasets" });
    const place = hubPlace("owner/tiny/data") ?? assert.fail();
    const path = await downloadDataset(place, { hub: hub.options });
    const args = ["cached", hub.options.cacheDir, "owner/tiny"];
    assert.equal(join(await runPython<string>(script, { args }), "data"), path);
  },
});
