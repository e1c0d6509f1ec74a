import assert from "node:assert/strict";
import { join } from "node:path";
import { licensesIn, statedLicenses } from "../../../data/datasets/licenses.ts";
import { temporaryFolder } from "../store/fixtures.ts";

Deno.test("licensesIn() reads what the hub's metadata states, one or several, and nothing else", () => {
  assert.deepEqual(licensesIn("---\nlicense: mit\ntags: [a]\n---\n# HH\n"), ["mit"]);
  assert.deepEqual(licensesIn("---\r\nlicense: [mit, cc-by-4.0]\r\n---\r\n"), ["mit", "cc-by-4.0"]);
  for (
    const text of [
      "# license: mit",
      "---\ntags: []\n---\n",
      "---\na: [\n---\n",
      "---\nlicense: 3\n---\n",
    ]
  ) {
    assert.deepEqual(licensesIn(text), [], text);
  }
  assert.deepEqual(licensesIn("# Title\n---\nlicense: mit\n---\n"), []); // not at the start
});

Deno.test("statedLicenses() looks in a file's folder and around it, each licence once", async () => {
  await using temporary = await temporaryFolder();
  const { path } = temporary;
  for (
    const [folder, license] of [["hh", "mit"], ["safe", "cc-by-nc-4.0"], ["plain", null]] as const
  ) {
    await Deno.mkdir(join(path, folder, "base"), { recursive: true });
    await Deno.writeTextFile(join(path, folder, "base", "train.jsonl"), "{}\n");
    if (license === null) continue;
    await Deno.writeTextFile(join(path, folder, "README.md"), `---\nlicense: ${license}\n---\n`);
  }
  const file = (folder: string) => join(path, folder, "base", "train.jsonl");
  assert.deepEqual(await statedLicenses(file("hh")), ["mit"]);
  assert.deepEqual(await statedLicenses(join(path, "hh", "base")), ["mit"]);
  assert.deepEqual(
    await statedLicenses(`helpful=${file("hh")}+${file("safe")},harmless=${file("hh")}`),
    ["mit", "cc-by-nc-4.0"],
  );
  assert.deepEqual(await statedLicenses(file("plain")), []);
  assert.deepEqual(await statedLicenses(join(path, "gone", "x.jsonl")), []);
});
