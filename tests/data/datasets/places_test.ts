import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { loadInstructions } from "../../../data/datasets/instructions/mod.ts";
import { loadDataset, readDataset } from "../../../data/datasets/mod.ts";
import { datasetFingerprint } from "../../../data/datasets/fingerprint.ts";
import { dataFiles, hubPlace, selectFiles } from "../../../data/datasets/places.ts";
import { withFiles } from "./files.ts";

const row = (prompt: string) => ({ prompt, chosen: "good", rejected: "bad" });

/** A folder of files, and below it one folder more. */
async function withFolder(
  files: Record<string, unknown[] | string>,
  run: (folder: string) => Promise<void>,
): Promise<void> {
  await withFiles({ "a.txt": "" }, async (paths) => {
    const folder = join(dirname(paths["a.txt"] ?? ""), "data");
    for (const [name, rows] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(folder, name)), { recursive: true });
      const text = typeof rows === "string" ? rows : rows.map((one) => JSON.stringify(one) + "\n");
      await Deno.writeTextFile(join(folder, name), typeof text === "string" ? text : text.join(""));
    }
    await run(folder);
  });
}

Deno.test("selectFiles() takes train where names tell a split, and all where none does", () => {
  const names = [
    "README.md",
    "dataset_infos.json",
    "data/train-00001-of-00002.parquet",
    "data/train-00000-of-00002.parquet",
    "data/test-00000-of-00001.parquet",
    "data/validation.parquet",
    "data/contested.parquet",
  ];
  const select = (names: string[], split?: string) => selectFiles(names, { split, place: "x" });
  const train = ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"];
  assert.deepEqual(select(names), train);
  assert.deepEqual(select(names, "train"), train);
  assert.deepEqual(select(names, "test"), ["data/test-00000-of-00001.parquet"]);
  assert.deepEqual(select(names, "validation"), ["data/validation.parquet"]);
  assert.deepEqual(select(["b.jsonl", "a.jsonl.gz"]), ["a.jsonl.gz", "b.jsonl"]);
  // The last word decides: a folder of the training set's tests.
  assert.deepEqual(select(["train/test.jsonl", "test/train.jsonl"]), ["test/train.jsonl"]);

  const wrong: [string[], string | undefined, RegExp][] = [
    [["README.md"], undefined, /^Cannot read x: expected a \.jsonl.* in it, got none$/],
    [["a.parquet"], "test", /split test, got none whose name tells a split$/],
    [["train.parquet"], "test", /split test, got those of train$/],
    [["test.parquet"], undefined, /split train, got those of test$/],
    [["a.parquet", "b.json"], undefined, /one format, got parquet and json; name the files/],
  ];
  for (const [names, split, message] of wrong) {
    assert.throws(() => select(names, split), { name: "InputError", message });
  }
});

Deno.test("loadDataset() reads folders, a split of theirs, and nothing hidden", async () => {
  const files = {
    "one/train.jsonl": [row("A")],
    "two-train.jsonl": [row("B")],
    "test.jsonl": [row("C")],
    ".hidden/train.jsonl": [row("D")],
    "README.md": "no data",
  };
  await withFolder(files, async (folder) => {
    const prompts = async (spec: string) =>
      (await loadDataset(spec)).examples.map(({ prompt }) => prompt[0]?.content);
    assert.deepEqual(await prompts(`k=${folder}`), ["A", "B"]);
    assert.deepEqual(await prompts(`k=${folder}:test`), ["C"]);
    assert.deepEqual(await prompts(`k=${folder}:test+${folder}/one`), ["C", "A"]);
    const { reading } = await readDataset(`k=${folder}`);
    assert.deepEqual(
      reading?.files,
      ["one/train.jsonl", "two-train.jsonl"].map((name) => join(folder, name)),
    );
    // What is hashed is what is read.
    const hash = (spec: string) => datasetFingerprint(spec, ["k"]);
    assert.equal(
      await hash(`k=${folder}`),
      await hash(`k=${folder}/one/train.jsonl+${folder}/two-train.jsonl`),
    );
    assert.notEqual(await hash(`k=${folder}`), await hash(`k=${folder}:test`));
    assert.notEqual(
      await hash(`k=${folder}`),
      await datasetFingerprint(`k=${folder}`, ["k"], "a=b"),
    );

    const wrong: [string, RegExp][] = [
      [`${folder}:validation`, /split validation, got those of train, test$/],
      [`${folder}/test.jsonl:test`, /expected a folder before the split, got a file$/],
      [`${folder}/none`, /none: expected a \.jsonl.* got|none: expected a data file, got none/],
      [`${folder}/none:test`, /expected a data file, got none/],
    ];
    for (const [place, message] of wrong) {
      await assert.rejects(loadDataset(`k=${place}`), { name: "InputError", message }, place);
    }
  });
});

Deno.test("loadInstructions() reads folders and columns too", async () => {
  const files = {
    "train-0.jsonl": [{ q: "A", a: "x" }],
    "train-1.jsonl": [{ instruction: "B", output: "y" }],
    "test.jsonl": [{ instruction: "C", output: "z" }],
  };
  await withFolder(files, async (folder) => {
    const { examples } = await loadInstructions(folder, { columns: "instruction=q,output=a" });
    assert.deepEqual(
      examples.map(({ prompt, completion }) => [prompt[0]?.content, completion[0]?.content]),
      [["A", "x"], ["B", "y"]],
    );
    assert.equal((await loadInstructions(`${folder}:test`)).examples.length, 1);
    assert.deepEqual(await dataFiles(`${folder}:test`), [join(folder, "test.jsonl")]);
  });
});

Deno.test("hubPlace() reads names of the hub, and no paths", () => {
  assert.deepEqual(hubPlace("nvidia/HelpSteer2"), {
    id: "nvidia/HelpSteer2",
    within: "",
    revision: "main",
  });
  assert.deepEqual(hubPlace("a/b/data/c.parquet:test@v1.0"), {
    id: "a/b",
    within: "data/c.parquet",
    split: "test",
    revision: "v1.0",
  });
  const paths = [
    "",
    "a",
    "a.jsonl",
    "data/a.jsonl.gz",
    "./a/b",
    "/a/b",
    "../a/b",
    "a/../b",
    "a//b",
  ];
  for (const path of [...paths, "http://x/y", "a/b:c:d", "a/b@", "a/b/../c", "C:\\a\\b"]) {
    assert.equal(hubPlace(path), null, path);
  }
});
