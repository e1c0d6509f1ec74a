// Bar 27: no Worker of the service can do more than it needs.
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import project from "../../deno.json" with { type: "json" };
import { temporaryFolder } from "../data/store/fixtures.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Flags of the serve task, without the program and what it is to do. */
function serveFlags(): string[] {
  const words = project.tasks.serve.command.split(" ");
  return words.slice(words.indexOf("run") + 1, words.indexOf("main.ts"));
}

/** What is denied, and by which words Deno says so. */
const DENIED = /^NotCapable|Requires (read|import|run) access|--no-remote|--cached-only|escalate/;

Deno.test("web, chat and job Worker are denied all that is not theirs", async (t) => {
  await using folder = await temporaryFolder();
  const at = (name: string) => join(folder.path, name);
  for (const name of ["runs/a", "files", "hub", "cache", "native", "home", "outside"]) {
    await Deno.mkdir(at(name), { recursive: true });
  }
  await Deno.writeTextFile(at("outside/secret"), "secret");
  await Deno.writeTextFile(at("outside/module.ts"), "export default 1;");
  const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      ...serveFlags(),
      "tests/bars/27_privilege_parent.ts",
      ...[folder.path, "libm.so.6"],
    ],
    cwd: root,
    env: { HOME: at("home") },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const { nobody, ...workers } = JSON.parse(new TextDecoder().decode(stdout));
  for (const [name, outcomes] of Object.entries<Record<string, string>>(workers)) {
    await t.step(name, () => {
      const allowed = Object.entries(outcomes).filter(([, outcome]) => !DENIED.test(outcome));
      assert.deepEqual(allowed, []);
      assert.ok(Object.keys(outcomes).length >= 10);
    });
  }
  await t.step("the same probes succeed where nothing is denied", () => {
    // Not these: nothing is imported from afar by anybody, and only root may signal process 1.
    const { "import from afar": _1, "import a package": _2, signals: _3, ...local } = nobody;
    assert.deepEqual(Object.entries(local).filter(([, outcome]) => outcome !== "allowed"), []);
  });
});

Deno.test("no task but those for development has all permissions", () => {
  const free = Object.entries(project.tasks)
    .filter(([, task]) => /(^|\s)(-A|--allow-all)(\s|$)/.test(task.command))
    .map(([name]) => name);
  const development = ["bench", "test"];
  assert.deepEqual(free.filter((name) => !development.includes(name)), []);
  assert.ok(free.length > 0);
});

Deno.test("the web process imports no tensor code, no database and no library", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "routes/web_worker.ts"],
    cwd: root,
  }).output();
  const loaded = loadedModules(JSON.parse(new TextDecoder().decode(stdout)));
  const heavy = loaded
    .filter((name) => /tensorflow|onnxruntime|core\/engine|node:sqlite|dlopen/.test(name));
  assert.deepEqual(heavy, []);
  assert.ok(loaded.length > 10);
});

interface ModuleGraph {
  roots: string[];
  modules: { specifier: string; dependencies?: { code?: { specifier?: string } }[] }[];
}

/** What a module loads when it runs; imports of types alone are gone by then. */
function loadedModules({ roots, modules }: ModuleGraph): string[] {
  const loaded = new Set(roots);
  for (const name of loaded) { // grows while it is walked
    const { dependencies = [] } = modules.find(({ specifier }) => specifier === name) ?? {};
    for (const { code } of dependencies) if (code?.specifier) loaded.add(code.specifier);
  }
  return [...loaded];
}
