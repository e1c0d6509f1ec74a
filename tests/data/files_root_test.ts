import assert from "node:assert/strict";
import { join } from "node:path";
import { InputError } from "../../core/errors.ts";
import { resolveDataset, resolveModel, resolveRunModel } from "../../data/files_root.ts";
import { traversalPayloads } from "../bars/traversal_payloads.ts";
import { temporaryFolder } from "./store/fixtures.ts";

/** A folder `files` with data and a model in it, a secret beside it and links out of it. */
async function withRoot(work: (root: string, real: string) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder();
  const root = join(folder.path, "files");
  await Deno.mkdir(join(root, "models", "tiny"), { recursive: true });
  await Deno.mkdir(join(root, "data"));
  for (const name of ["data/a.jsonl", "data/b=c.jsonl.gz", "d.jsonl", "model.gguf", "e+f.jsonl"]) {
    await Deno.writeTextFile(join(root, name), "");
  }
  await Deno.writeTextFile(join(folder.path, "secret.jsonl"), "");
  await Deno.symlink(join(folder.path, "secret.jsonl"), join(root, "out.jsonl"));
  await Deno.symlink(folder.path, join(root, "up"));
  await Deno.symlink(join(root, "data"), join(root, "within"));
  await Deno.symlink(join(root, "loop"), join(root, "loop"));
  await work(root, await Deno.realPath(root));
}

Deno.test("builtin stays builtin, with and without a folder of files", async () => {
  for (const root of [null, "."]) {
    assert.equal(await resolveModel(root, "builtin"), "builtin");
    assert.equal(await resolveDataset(root, "builtin"), "builtin");
  }
});

Deno.test("resolveModel() finds files and folders, and leaves hub ids as they are", () =>
  withRoot(async (root, real) => {
    assert.equal(await resolveModel(root, "models/tiny"), join(real, "models/tiny"));
    assert.equal(await resolveModel(root, "model.gguf"), join(real, "model.gguf"));
    assert.equal(await resolveModel(root, "owner/some-model.v2"), "owner/some-model.v2");
    assert.equal(await resolveModel(null, "owner/name"), "owner/name");
    await assert.rejects(resolveModel(root, "other.gguf"), InputError);
  }));

Deno.test("resolveRunModel() finds the model of a run and nothing else", () =>
  withRoot(async (root, real) => {
    await Deno.mkdir(join(root, "first", "model"), { recursive: true });
    assert.equal(await resolveRunModel(root, "first/model"), join(real, "first/model"));
    for (const name of ["second/model", "first", "models/tiny", "../model", "a/../first/model"]) {
      assert.equal(await resolveRunModel(root, name), null, name);
    }
    await Deno.mkdir(join(root, "linked"));
    await Deno.symlink("/", join(root, "linked", "model"));
    await assert.rejects(resolveRunModel(root, "linked/model"), InputError);
  }));

Deno.test("resolveModel() takes no path from the working folder for a hub id", async () => {
  const here = (await Array.fromAsync(Deno.readDir("."))).find(({ isDirectory, name }) =>
    isDirectory && /^\w+$/.test(name)
  );
  assert.ok(here);
  await assert.rejects(resolveModel(null, here.name), InputError);
});

Deno.test("resolveDataset() puts the real path of every file in place of its name", () =>
  withRoot(async (root, real) => {
    const a = join(real, "data/a.jsonl");
    const [c, d] = [join(real, "data/b=c.jsonl.gz"), join(real, "d.jsonl")];
    assert.equal(await resolveDataset(root, "d.jsonl"), d);
    assert.equal(await resolveDataset(root, "data/a.jsonl+ d.jsonl"), `${a}+${d}`);
    assert.equal(
      await resolveDataset(root, "helpful=data/a.jsonl+d.jsonl, harmless=data/b=c.jsonl.gz"),
      `helpful=${a}+${d},harmless=${c}`,
    );
    assert.equal(await resolveDataset(root, "within/a.jsonl"), a);
  }));

Deno.test("resolveDataset() takes folders with their splits, and names of the hub as they are", () =>
  withRoot(async (root, real) => {
    await Deno.mkdir(join(root, "many"));
    for (const name of ["train.jsonl", "test.jsonl"]) {
      await Deno.writeTextFile(join(root, "many", name), "{}\n");
    }
    const many = join(real, "many");
    assert.equal(await resolveDataset(root, "many"), many);
    assert.equal(
      await resolveDataset(root, "a=many:test+d.jsonl"),
      `a=${many}:test+${real}/d.jsonl`,
    );
    for (const spec of ["owner/name", "owner/name/data:test@v1", "a=owner/name,b=d.jsonl"]) {
      assert.equal(await resolveDataset(root, spec), spec.replace("d.jsonl", `${real}/d.jsonl`));
    }
    for (const [name, message] of [["many:other", /many: .*split other/], ["models", /models: /]]) {
      await assert.rejects(resolveDataset(root, `${name}`), (error: Error) => {
        assert.ok(error instanceof InputError && !error.message.includes(real), error.message);
        assert.match(error.message, message as RegExp);
        return true;
      });
    }
    // A folder's files are what is read: none of them may be a link that leads out.
    await Deno.symlink("/etc/hostname", join(root, "many", "train-2.jsonl"));
    await assert.rejects(resolveDataset(root, "many"), /many.*a link that leads out of it/);
  }));

Deno.test("a file is refused where there is no folder of files, or it is not there", () =>
  withRoot(async (root) => {
    await assert.rejects(resolveDataset(null, "d.jsonl"), InputError);
    await assert.rejects(resolveDataset(root, "missing.jsonl"), InputError);
    await assert.rejects(resolveDataset(root, "d.jsonl+missing.jsonl"), InputError);
    await assert.rejects(resolveDataset(root, "d.jsonl/a.jsonl"), InputError);
    await assert.rejects(resolveDataset(root, ""), InputError);
    await assert.rejects(resolveDataset(join(root, "nowhere"), "d.jsonl"), InputError);
  }));

Deno.test("addresses and every path that leads out are refused in each part", () =>
  withRoot(async (root) => {
    const names = [
      ...traversalPayloads(root),
      ...["http", "https", "ftp", "file", "data", "s3", "hf"].map((scheme) =>
        `${scheme}://localhost/d.jsonl`
      ),
      "file:d.jsonl",
      "//localhost/d.jsonl",
      "localhost:80/d.jsonl",
      "out.jsonl",
      "up/secret.jsonl",
      "up/files/../secret.jsonl",
      "loop",
      "~/d.jsonl",
      join(root, "d.jsonl"),
    ];
    for (const name of names) {
      const label = name.slice(0, 80);
      await assert.rejects(resolveDataset(root, name), InputError, label);
      await assert.rejects(resolveDataset(root, `helpful=d.jsonl,harmless=${name}`), InputError);
      await assert.rejects(resolveDataset(root, `d.jsonl+${name}`), InputError, label);
      await assert.rejects(resolveModel(root, name), InputError, label);
    }
  }));

Deno.test("a refusal is one short sentence that names no place of this machine", () =>
  withRoot(async (root) => {
    for (const name of ["../secret.jsonl", "x".repeat(20_000), "out.jsonl"]) {
      for (const refused of [resolveModel(root, `${name}/`), resolveDataset(root, name)]) {
        await assert.rejects(refused, (error) => {
          assert.ok(error instanceof InputError);
          assert.ok(error.message.length < 250 && !error.message.includes(root), error.message);
          return true;
        });
      }
    }
  }));
