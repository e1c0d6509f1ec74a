// The rooms of the house and which way imports may point. A rule kept by hand is a habit; this one
// is a test.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));

/** Rooms, and the rooms that their files may import from besides their own. */
const mayImport: Record<string, string[]> = {
  "main.ts": ["commands"],
  "commands": ["workers", "data", "core", "tests/bench"],
  "routes": ["workers", "data", "core"],
  "workers": ["data", "core"],
  "data": ["core"],
};

/** Inside core, floors from bottom to top: a file may import from its own floor and below. */
const floors: string[][] = [
  ["core/errors.ts", "core/bytes.ts", "core/random.ts", "core/config.ts"],
  ["core/engine", "core/text", "core/preference.ts"],
  ["core/aggregation", "core/models", "core/dataset"],
  ["core/adapters"],
  [
    "core/block_stack.ts",
    "core/trunk.ts",
    "core/remembered_trunk.ts",
    "core/predicting.ts",
    "core/gradients.ts",
    "core/policy.ts",
    "core/full_policy.ts",
    "core/critic.ts",
    "core/token_pass.ts",
    "core/batch_pass.ts",
    "core/reward_pass.ts",
    "core/optim.ts",
    "core/learner.ts",
    "core/generate",
  ],
  ["core/objectives"],
  ["core/front"],
  ["core/rewards"],
  [
    "core/train.ts",
    "core/pretrain.ts",
    "core/held_out.ts",
    "core/rlhf",
  ],
  ["core/baselines", "core/report", "core/footprint", "core/export"],
];

Deno.test("imports between rooms point one way", async () => {
  const wrong: string[] = [];
  for (const { file, imports } of await sources()) {
    const room = roomOf(file);
    for (const target of imports) {
      const other = roomOf(target);
      if (room === other || room === "core") continue;
      if (!(mayImport[room] ?? []).includes(other)) wrong.push(`${file} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("imports inside core point down", async () => {
  const wrong: string[] = [];
  for (const { file, imports } of await sources()) {
    if (roomOf(file) !== "core") continue;
    const floor = floorOf(file);
    assert.notEqual(floor, -1, `${file} stands on no floor: add it to the list`);
    for (const target of imports) {
      if (!target.startsWith("core/")) wrong.push(`${file} imports ${target}`);
      else if (floorOf(target) > floor) wrong.push(`${file} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("core touches no file, no network and no environment; only the engine loads a library", async () => {
  for (const { file, text } of await sources()) {
    if (roomOf(file) !== "core" || file.startsWith("core/engine/")) continue;
    assert.doesNotMatch(text, /\bDeno\.|\bfetch\(|process\.env|Math\.random/, file);
  }
});

Deno.test("no source makes code out of text or names a machine", async () => {
  for (const { file, text } of await sources()) {
    assert.doesNotMatch(text, /\beval\(|new Function\(/, file);
    assert.doesNotMatch(text, /["'`]\/(work|opt|home|root|tmp)\//, file);
  }
});

Deno.test("every file of a table's folder is reached from its table", async () => {
  const tables: Record<string, string[]> = {
    "core/aggregation/mod.ts": [],
    // The table is of objectives on pairs; the others have a recipe each.
    "core/objectives/mod.ts": [
      "core/objectives/objective.ts",
      "core/objectives/sft.ts",
      "core/objectives/ppo.ts",
      "core/objectives/advantages.ts",
      "core/objectives/rollout.ts",
    ],
    "core/adapters/mod.ts": [
      "core/adapters/adapter.ts",
      "core/adapters/parameters.ts",
      "core/adapters/orthogonality.ts",
    ],
    "workers/recipes/mod.ts": ["workers/recipes/recipe.ts"],
    "commands/mod.ts": [],
  };
  const all = await sources();
  for (const [table, notEntries] of Object.entries(tables)) {
    const folder = table.slice(0, table.lastIndexOf("/") + 1);
    const reached = new Set<string>([table, ...notEntries]);
    const queue = [table];
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      for (const target of all.find((source) => source.file === file)?.imports ?? []) {
        if (!reached.has(target)) queue.push(target);
        reached.add(target);
      }
    }
    const missing = all.map(({ file }) => file).filter((file) =>
      file.startsWith(folder) && !reached.has(file) && !usedByMain(file, all)
    );
    assert.deepEqual(missing, [], table);
  }
});

interface Source {
  file: string;
  text: string;
  imports: string[]; // of this project's files, from the root
}

let read: Promise<Source[]> | undefined;

function sources(): Promise<Source[]> {
  return read ??= (async () => {
    const files = ["main.ts"];
    for (const room of ["commands", "routes", "workers", "data", "core"]) {
      await collect(room, files);
    }
    return await Promise.all(files.map(async (file) => {
      const text = await Deno.readTextFile(root + file);
      const specifiers = [...text.matchAll(/(?:from|import\()\s*"(\.[^"]+\.tsx?)"/g)].map(([, s]) =>
        s
      );
      const base = new URL(file, "file:///");
      const imports = specifiers.map((specifier) =>
        new URL(specifier ?? "", base).pathname.slice(1)
      );
      return { file, text, imports };
    }));
  })();
}

async function collect(folder: string, files: string[]): Promise<void> {
  const entries = await Array.fromAsync(Deno.readDir(root + folder)).catch(() => []);
  for (const { name, isDirectory } of entries) {
    const path = `${folder}/${name}`;
    if (isDirectory) await collect(path, files);
    else if (/\.tsx?$/.test(name)) files.push(path);
  }
}

function roomOf(file: string): string {
  if (file.startsWith("tests/bench/")) return "tests/bench";
  return file.includes("/") ? file.slice(0, file.indexOf("/")) : file;
}

function floorOf(file: string): number {
  return floors.findIndex((floor) =>
    floor.some((room) => file === room || file.startsWith(`${room}/`))
  );
}

function usedByMain(file: string, all: Source[]): boolean {
  return all.some(({ file: other, imports }) => other === "main.ts" && imports.includes(file));
}
