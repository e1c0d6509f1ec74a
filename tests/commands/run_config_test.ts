import assert from "node:assert/strict";
import { resolveRunConfig } from "../../commands/run_config.ts";
import { presets, RunConfig } from "../../core/config.ts";

async function withYaml(text: string, use: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(path, text);
    await use(path);
  } finally {
    await Deno.remove(path);
  }
}

const own = { model_name_or_path: "models/a", dataset: "a.jsonl", output_dir: "runs/a" };

Deno.test("resolveRunConfig() without anything is the built-in preset over the defaults", async () => {
  const config = await resolveRunConfig({ flags: {} });
  assert.deepEqual(config, RunConfig.parse(presets.builtin?.values));
});

Deno.test("resolveRunConfig() gives a run of an own model the schema's defaults", async () => {
  assert.deepEqual(await resolveRunConfig({ flags: own }), RunConfig.parse(own));
});

Deno.test("resolveRunConfig() puts flags over YAML over preset over defaults", async () => {
  await withYaml("beta: 0.2\nseed: 7\nlora_r: 4\n", async (config) => {
    const result = await resolveRunConfig({
      flags: { ...own, beta: 0.3 },
      config,
      preset: "paper",
    });
    assert.equal(result.beta, 0.3); // flag; YAML says 0.2, preset 0.1
    assert.equal(result.seed, 7); // YAML; preset says 42
    assert.equal(result.lora_r, 4); // YAML; preset says 8
    assert.equal(result.preferences_per_step, 1); // preset; default 0
    assert.equal(result.adam_beta1, 0.9); // default
  });
});

Deno.test("resolveRunConfig() keeps the built-in preset under flags and YAML", async () => {
  await withYaml("max_steps: 12\n", async (config) => {
    const result = await resolveRunConfig({ flags: { learning_rate: 1e-3 }, config });
    assert.equal(result.max_steps, 12);
    assert.equal(result.learning_rate, 1e-3);
    assert.equal(result.max_length, presets.builtin?.values.max_length);
  });
});

Deno.test("resolveRunConfig() reads a stored run_config.json like YAML", async () => {
  const stored = RunConfig.parse({ ...own, beta: 0.25, eval_limit: 40 });
  await withYaml(JSON.stringify(stored, null, 2), async (config) => {
    assert.deepEqual(await resolveRunConfig({ flags: {}, config }), stored);
  });
});

Deno.test("resolveRunConfig() takes an empty YAML file for no settings", async () => {
  await withYaml("# nothing yet\n", async (config) => {
    const plain = await resolveRunConfig({ flags: {} });
    assert.deepEqual(await resolveRunConfig({ flags: {}, config }), plain);
  });
});

Deno.test("resolveRunConfig() accepts every preset", async () => {
  for (const preset of Object.keys(presets)) {
    const config = await resolveRunConfig({ flags: own, preset });
    assert.equal(config.output_dir, own.output_dir);
  }
});

Deno.test("resolveRunConfig() refuses wrong YAML with the file and the setting", async () => {
  const cases: [string, RegExp][] = [
    ["learning_rat: 1\n", /got "learning_rat" \(nearest: learning_rate\)$/],
    ["beta: -1\n", /^Cannot use beta in .+yaml: expected a number above 0, got -1$/],
    ["beta: '0.1'\n", /expected a number above 0, got "0.1"$/],
    ["beta:\n", /expected a number above 0, got null$/],
    ["max_steps: 1.5\n", /expected a whole number of at least 0, got 1.5$/],
    [
      "aggregation: sum\n",
      /expected one of ls, tche, smooth_tche, augmented_tche, pbi, got "sum"$/,
    ],
    ["dataset: [a, b]\n", /expected text, got \["a","b"\]$/],
    ["- beta\n", /expected lines of the form name: value, got a list$/],
    ["just words\n", /expected lines of the form name: value, got "just words"$/],
    ["beta: 0.1\nbeta: 0.2\n", /^Cannot read .+: expected YAML, got Map keys must be unique/],
    ["beta: [0.1\n", /^Cannot read .+: expected YAML, got /],
    ["__proto__: {beta: 1}\n", /got "__proto__"/],
    ["beta: *c\n", /^Cannot read .+: expected YAML, got Unresolved alias/],
  ];
  for (const [text, message] of cases) {
    await withYaml(text, async (config) => {
      await assert.rejects(resolveRunConfig({ flags: own, config }), (error: Error) => {
        assert.equal(error.name, "InputError", `${text}: ${error}`);
        assert.match(error.message, message);
        assert.equal(error.message.includes("\n"), false);
        return true;
      });
    });
  }
});

Deno.test("resolveRunConfig() refuses a YAML file that is missing or a folder", async () => {
  await assert.rejects(resolveRunConfig({ flags: {}, config: "no/such.yaml" }), {
    name: "InputError",
    message: "Cannot read --config no/such.yaml: expected a YAML file, got none at that path",
  });
  await assert.rejects(resolveRunConfig({ flags: {}, config: "." }), {
    name: "InputError",
    message: "Cannot read --config .: expected a file, got a folder",
  });
});

Deno.test("resolveRunConfig() refuses an unknown preset with the nearest name", async () => {
  for (const preset of ["papr", "toString", "__proto__"]) {
    await assert.rejects(resolveRunConfig({ flags: {}, preset }), {
      name: "InputError",
      message: /^Cannot use --preset: expected one of builtin, .*paper.*, got ".+" \(nearest: /,
    });
  }
});

Deno.test("resolveRunConfig() does not mix an own model with the built-in data or folder", async () => {
  for (const key of Object.keys(own)) {
    const flags: Record<string, unknown> = { ...own };
    delete flags[key];
    await assert.rejects(resolveRunConfig({ flags }), {
      name: "InputError",
      message: new RegExp(`^Cannot train: expected --${key} with .+, got none$`),
    });
  }
});
