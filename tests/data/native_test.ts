// The whole way from an empty cache to the two libraries, with a small wheel and stand-ins for
// python3 and uv: real processes found on a PATH of the test's own, only the network is missing.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { findDamage, findLibtensorflow, type FindOptions, LIBRARIES } from "../../data/native.ts";
import { temporaryFolder } from "./store/fixtures.ts";
import { makeZip } from "./zip.ts";

const [FRAMEWORK, CC] = LIBRARIES;
const bytesOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * i) >> 5);
// Larger than the two ends that are hashed at each start, so that there is a middle.
const contents = { [FRAMEWORK]: bytesOf(20_000), [CC]: bytesOf(2_500_000) };
const zip = makeZip({
  "tensorflow/__init__.py": bytesOf(10),
  [`tensorflow/${FRAMEWORK}`]: contents[FRAMEWORK],
  [`tensorflow/${CC}`]: contents[CC],
}, { stored: [`tensorflow/${FRAMEWORK}`] });
const wheel = {
  package: "tensorflow-cpu",
  version: "9.9.9",
  file: "tensorflow_cpu-9.9.9-cp311-cp311-manylinux_2_27_x86_64.whl",
  bytes: zip.length,
  sha256: createHash("sha256").update(zip).digest("hex"),
  python: "3.11",
  platform: "manylinux_2_27_x86_64",
  gpu: false,
};

/** A cache, a folder of programs, and a count of the downloads. */
async function world() {
  const folder = await temporaryFolder();
  const { path } = folder;
  await Deno.mkdir(join(path, "programs"));
  await Deno.writeFile(join(path, wheel.file), zip);
  const variables: Record<string, string | undefined> = {
    XDG_CACHE_HOME: join(path, "cache"),
    PATH: `${join(path, "programs")}:${Deno.env.get("PATH")}`,
  };
  const progress: [string, number | undefined][] = [];
  const find = (options: Partial<FindOptions> = {}) =>
    findLibtensorflow({
      env: (name) => variables[name],
      onProgress: (message, fraction) => progress.push([message, fraction]),
      wheel,
      ...options,
    });
  /** Puts a shell script on the PATH. */
  const install = async (name: string, script: string) => {
    const program = join(path, "programs", name);
    await Deno.writeTextFile(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  };
  const downloads = async () =>
    (await Deno.readTextFile(join(path, "count")).catch(() => "")).length;
  const directory = join(path, "cache", "panacea", "libtensorflow-9.9.9-cpu");
  const dispose = folder[Symbol.asyncDispose];
  return {
    ...{ path, variables, progress, find, install, downloads, directory },
    [Symbol.asyncDispose]: dispose,
  };
}

/** What a pip does that finds `file` in its index, taking a pause of some seconds in the middle. */
function workingPip(path: string, { file = wheel.file, pause = 0 } = {}): string {
  return `case "$*" in *--version) exit 0;; esac
printf x >> '${path}/count'
printf '%s\\n' "$@" > '${path}/arguments'
while [ "$1" != --dest ]; do shift; done
test "$TMPDIR" = "$2" || exit 9
head -c 1000 '${path}/${file}' > "$2/part.tmp"
sleep ${pause}
mv "$2/part.tmp" "$2/${wheel.file}"
cat '${path}/${file}' > "$2/${wheel.file}"`;
}

async function assertWhole(directory: string) {
  for (const name of LIBRARIES) {
    assert.deepEqual(await Deno.readFile(join(directory, name)), contents[name]);
  }
  assert.equal(await findDamage(directory, { thorough: true }), null);
  const cache = await Array.fromAsync(Deno.readDir(join(directory, "..")));
  assert.deepEqual(cache.map(({ name }) => name).sort(), ["libtensorflow-9.9.9-cpu", "lock"]);
  const names = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name);
  assert.deepEqual(names.sort(), [CC, FRAMEWORK, "manifest.json"]);
}

function reasonOf(result: Awaited<ReturnType<typeof findLibtensorflow>>): string {
  assert("missing" in result, `found ${JSON.stringify(result)}`);
  assert(!result.missing.includes("\n"), "one line");
  return result.missing;
}

Deno.test("findLibtensorflow() fetches the libraries once, with progress", async () => {
  await using w = await world();
  await w.install("python3", workingPip(w.path, { pause: 0.4 }));
  const found = { directory: w.directory, version: "9.9.9", gpu: false };
  assert.deepEqual(await w.find(), found);
  await assertWhole(w.directory);
  const args = (await Deno.readTextFile(join(w.path, "arguments"))).split("\n");
  assert.deepEqual(args.slice(0, 3), ["-m", "pip", "download"]);
  for (const wanted of ["--no-deps", "--platform=manylinux_2_27_x86_64", "tensorflow-cpu==9.9.9"]) {
    assert(args.includes(wanted), wanted);
  }
  const shares = w.progress.flatMap(([, fraction]) => (fraction === undefined ? [] : [fraction]));
  assert(shares.every((share) => share >= 0 && share <= 1));
  assert(w.progress.some(([text, share]) => text.startsWith("downloading") && share && share < 1));
  assert(w.progress.some(([text, share]) => text === `unpacking ${CC}` && share === 1));
  w.progress.length = 0;
  assert.deepEqual(await w.find({ download: false }), found);
  assert.deepEqual(w.progress, []);
  assert.equal(await w.downloads(), 1);
});

Deno.test("findLibtensorflow() detects a broken library, removes it and fetches again", async () => {
  await using w = await world();
  await w.install("python3", workingPip(w.path));
  await w.find();
  const flip = async (path: string, at: number) => {
    const bytes = await Deno.readFile(path);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await Deno.writeFile(path, bytes);
  };
  const library = join(w.directory, CC);
  const damages: Record<string, () => Promise<void>> = {
    "half written": () => Deno.truncate(library, 1_000_000),
    "emptied": () => Deno.truncate(library, 0),
    "missing": () => Deno.remove(library),
    "other start": () => flip(library, 100),
    "other end": () => flip(library, contents[CC].length - 1),
    "small one altered": () => flip(join(w.directory, FRAMEWORK), 5000),
    "no manifest": () => Deno.remove(join(w.directory, "manifest.json")),
    "damaged manifest": () => flip(join(w.directory, "manifest.json"), 0),
  };
  let expected = 1;
  for (const [damage, apply] of Object.entries(damages)) {
    await apply();
    assert(await findDamage(w.directory), damage);
    assert.match(reasonOf(await w.find({ download: false })), /downloading is switched off/);
    assert("directory" in await w.find(), damage);
    assert.equal(await w.downloads(), ++expected, damage);
    await assertWhole(w.directory);
  }
  // A change in the middle is seen by the thorough look, as after a failure to open.
  await flip(library, 1_200_000);
  assert.equal(await findDamage(w.directory), null);
  await w.find();
  assert.equal(await w.downloads(), expected);
  await w.find({ thorough: true });
  assert.equal(await w.downloads(), expected + 1);
  await assertWhole(w.directory);
});

Deno.test("findLibtensorflow() refuses a wheel that is not the pinned one", async () => {
  await using w = await world();
  const other = zip.slice();
  other[zip.length >> 1] = (other[zip.length >> 1] ?? 0) ^ 1;
  await Deno.writeFile(join(w.path, "other.whl"), other);
  await w.install("python3", workingPip(w.path, { file: "other.whl" }));
  assert.match(reasonOf(await w.find()), new RegExp(`expected sha256 ${wheel.sha256}`));
  const left = await Array.fromAsync(Deno.readDir(join(w.path, "cache", "panacea")));
  assert.deepEqual(left.map(({ name }) => name), ["lock"]);
});

Deno.test("findLibtensorflow() takes uv where Python has no pip", async () => {
  await using w = await world();
  await w.install("python3", "echo 'No module named pip' >&2; exit 1");
  await w.install("uv", workingPip(w.path));
  assert("directory" in await w.find());
  const args = (await Deno.readTextFile(join(w.path, "arguments"))).split("\n");
  assert.deepEqual(args.slice(0, 4), ["tool", "run", "pip", "download"]);
});

Deno.test("findLibtensorflow() says in one line what is missing", async () => {
  const pip = (download: string) => `case "$*" in *--version) exit 0;; esac\n${download}; exit 1`;
  const cases: Record<string, [string, RegExp]> = {
    "no network": [
      pip(
        "echo 'WARNING: Retrying after connection broken by NewConnectionError' >&2; " +
          "echo 'ERROR: No matching distribution found for tensorflow-cpu' >&2",
      ),
      /no connection to the package index.*LIBTENSORFLOW_DIR/,
    ],
    "full disk": [pip("echo 'ERROR: [Errno 28] No space left on device' >&2"), /disk is full/],
    "no such wheel": [pip("echo 'ERROR: No matching distribution found' >&2"), /No matching/],
    "silence": [pip("true"), /gave no reason/],
    "no pip": ["echo 'No module named pip' >&2; exit 1", /No module named pip/],
  };
  for (const [name, [script, reason]] of Object.entries(cases)) {
    await using w = await world();
    await w.install("python3", script);
    await w.install("uv", "echo 'uv is out of order' >&2; exit 2");
    assert.match(reasonOf(await w.find()), reason, name);
    assert.notEqual(await findDamage(w.directory), null);
  }
  await using w = await world();
  w.variables.PATH = join(w.path, "programs");
  assert.match(reasonOf(await w.find()), /neither python3 nor uv is installed/);
  assert.match(reasonOf(await w.find({ download: false })), /switched off/);
  w.variables.XDG_CACHE_HOME = undefined;
  assert.match(reasonOf(await w.find()), /neither HOME nor XDG_CACHE_HOME is set/);
  w.variables.XDG_CACHE_HOME = join(w.path, wheel.file); // a file where a folder is needed
  assert.match(reasonOf(await w.find()), /Cannot write/);
});

Deno.test("findLibtensorflow() falls back to HOME/.cache", async () => {
  await using w = await world();
  await w.install("python3", workingPip(w.path));
  w.variables.XDG_CACHE_HOME = "";
  w.variables.HOME = w.path;
  const found = await w.find();
  assert("directory" in found && found.directory.startsWith(join(w.path, ".cache", "panacea")));
});

Deno.test("LIBTENSORFLOW_DIR wins, and is named when it has no libraries", async () => {
  await using w = await world();
  const own = join(w.path, "own");
  w.variables.LIBTENSORFLOW_DIR = own;
  assert.match(reasonOf(await w.find()), new RegExp(`LIBTENSORFLOW_DIR names ${own}`));
  await Deno.mkdir(own);
  await Deno.writeTextFile(join(own, FRAMEWORK), "");
  assert.match(reasonOf(await w.find()), new RegExp(CC.replaceAll(".", "\\.")));
  await Deno.writeTextFile(join(own, CC), "");
  const found = await w.find({ download: false });
  assert("directory" in found && found.directory === own);
});

Deno.test("two that fetch at once download once and both find whole libraries", async () => {
  await using w = await world();
  await w.install("python3", workingPip(w.path, { pause: 0.4 }));
  const results = await Promise.all([w.find(), w.find(), w.find()]);
  for (const result of results) assert("directory" in result && result.directory === w.directory);
  assert.equal(await w.downloads(), 1);
  assert(w.progress.some(([text]) => text.startsWith("waiting for another process")));
  await assertWhole(w.directory);
});

Deno.test("a fetch that was killed leaves nothing that the next one trips over", async () => {
  await using w = await world();
  await w.install("python3", workingPip(w.path));
  const half = join(w.path, "cache", "panacea", ".tmp-libtensorflow-9.9.9-cpu~12345678");
  await Deno.mkdir(join(half, "download"), { recursive: true });
  await Deno.writeFile(join(half, CC), contents[CC].subarray(0, 1000));
  assert("directory" in await w.find());
  await assertWhole(w.directory);
});
