// main.ts as users meet it: a process with arguments, its streams and its exit code. Everything
// here ends before a session begins.
import assert from "node:assert/strict";
import { commands } from "../../commands/mod.ts";
import { RunConfig } from "../../core/config.ts";

const names = Object.keys(commands).join(", ");
const objectives = RunConfig.shape.objective.unwrap().options.join(", ");
const root = new URL("../../", import.meta.url);

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", "main.ts", ...args],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

const refused: { args: string[]; message: string }[] = [
  {
    args: ["trian"],
    message: `Cannot run deno task: expected one of ${names}, got trian (nearest: train)`,
  },
  {
    args: ["train", "--learning_rat", "3"],
    message:
      "Cannot run train: expected a known flag, got --learning_rat (nearest: --learning_rate)",
  },
  {
    args: ["train", "dpo", "--model=x"],
    message: "Cannot run train: expected a known flag, got --model (nearest: --model_name_or_path)",
  },
  {
    args: ["front", "--adaptr", "x"],
    message: "Cannot run front: expected a known flag, got --adaptr (nearest: --adapter)",
  },
  {
    args: ["train", "--learning_rate=fast"],
    message: `Cannot use --learning_rate: expected a number above 0, got "fast"`,
  },
  {
    args: ["train", "--max_steps", "-3"],
    message: `Cannot use --max_steps: expected a whole number of at least 0, got "-3"`,
  },
  {
    args: ["train", "--beta", "--json"],
    message: "Cannot use --beta: expected a number above 0, got no value",
  },
  {
    args: ["train", "dop"],
    message: `Cannot train: expected an objective among ${objectives}, got dop (nearest: dpo)`,
  },
  {
    args: ["train", "dpo", "twice"],
    message: "Cannot run train: expected at most 1 argument beside flags, got dpo twice",
  },
  {
    args: ["doctor", "please"],
    message: "Cannot run doctor: expected flags only, got please",
  },
  {
    args: ["train", "--config"],
    message: "Cannot use --config: expected a YAML file, got no value",
  },
  {
    args: ["train", "--config", "no/such.yaml"],
    message: "Cannot read --config no/such.yaml: expected a YAML file, got none at that path",
  },
  {
    args: ["train", "--model_name_or_path", "models/x"],
    message: "Cannot train: expected --dataset with preference files, got none",
  },
  { args: ["front"], message: "Cannot run front: expected --adapter (folder of a run), got none" },
  {
    args: ["front", "--adapter=runs/a", "--grid=1"],
    message: `Cannot use --grid: expected a whole number from 2 to 1001, got "1"`,
  },
];

for (const { args, message } of refused) {
  Deno.test(`main.ts refuses "${args.join(" ")}" in one sentence with code 2`, async () => {
    assert.deepEqual(await run(...args), { code: 2, stdout: "", stderr: `${message}\n` });
  });
}

Deno.test("main.ts refuses an unknown YAML key with the file and the nearest name", async () => {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(path, "learning_rat: 1\n");
    const { code, stdout, stderr } = await run("train", "--config", path);
    assert.deepEqual({ code, stdout }, { code: 2, stdout: "" });
    assert.equal(
      stderr,
      `Cannot use ${path}: expected a known setting, got "learning_rat" (nearest: learning_rate)\n`,
    );
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("main.ts shows the stack trace of a refusal with --debug only", async () => {
  const { code, stderr } = await run("train", "--beta=x", "--debug");
  assert.equal(code, 2);
  assert.match(stderr, /^InputError: Cannot use --beta.*\n +at /);
});

Deno.test("main.ts --help lists every command and the exit codes on standard output", async () => {
  const { code, stdout, stderr } = await run("--help");
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  for (const name of Object.keys(commands)) assert.match(stdout, new RegExp(`^  ${name} `, "m"));
  assert.match(stdout, /Exit codes:/);
});

Deno.test("main.ts without a command shows the help on standard error with code 2", async () => {
  const { code, stdout, stderr } = await run();
  assert.deepEqual({ code, stdout }, { code: 2, stdout: "" });
  assert.match(stderr, /Usage: deno task/);
});

Deno.test("main.ts train --help lists every flag with its default, and the presets", async () => {
  const { code, stdout } = await run("train", "--help");
  assert.equal(code, 0);
  const defaults: Record<string, unknown> = RunConfig.parse({});
  for (const name of Object.keys(RunConfig.shape)) {
    const line = stdout.split("\n").find((text) => text.startsWith(`  --${name} <`));
    assert.ok(line, name);
    if (name in defaults) assert.ok(line.endsWith(`(default: ${defaults[name]})`), line);
  }
  assert.match(stdout, /Presets:\n {2}builtin: /);
});

Deno.test("main.ts --version prints the version of deno.json", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  assert.deepEqual(await run("--version"), { code: 0, stdout: `${version}\n`, stderr: "" });
});
