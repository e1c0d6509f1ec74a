import assert from "node:assert/strict";
import { Command } from "commander";
import fc from "fast-check";
import { z } from "zod";
import { declareFlags, flagsOf, nearestName, parseFlags, readFlags } from "../../commands/flags.ts";
import { groups } from "../../commands/train.ts";
import { RunConfig } from "../../core/config.ts";
import { InputError } from "../../core/errors.ts";

const Sample = z.strictObject({
  folder: z.string().describe("where it goes"),
  rate: z.number().positive().default(0.5).describe("how fast"),
  share: z.number().min(0).lt(1).default(0),
  rounds: z.number().int().min(2).max(9).optional(),
  shuffle: z.boolean().default(true),
  kind: z.enum(["plain", "fancy"]).default("plain"),
});

function parsed(schema: z.ZodObject, args: string[]): Command {
  const command = new Command("sample");
  declareFlags(command, flagsOf(schema));
  return command.exitOverride().parse(args, { from: "user" });
}

function read(args: string[], schema: z.ZodObject = Sample): Record<string, unknown> {
  return readFlags(parsed(schema, args), schema);
}

Deno.test("flagsOf() makes a flag of every setting of RunConfig, with its description", () => {
  const flags = flagsOf(RunConfig);
  assert.deepEqual(flags.map((flag) => flag.name), Object.keys(RunConfig.shape));
  for (const flag of flags) assert.ok(flag.description.length > 5, flag.name);
});

Deno.test("flagsOf() takes defaults from the schema", () => {
  const defaults = RunConfig.parse({});
  for (const flag of flagsOf(RunConfig)) {
    assert.equal(flag.default, defaults[flag.name as keyof RunConfig], flag.name);
  }
});

Deno.test("flagsOf() says in words what is right", () => {
  assert.deepEqual(flagsOf(Sample).map((flag) => flag.expected), [
    "text",
    "a number above 0",
    "a number of at least 0 and below 1",
    "a whole number from 2 to 9",
    "true or false",
    "one of plain, fancy",
  ]);
});

Deno.test("flagsOf() refuses a field that a flag cannot carry", () => {
  assert.throws(() => flagsOf(z.object({ list: z.array(z.string()) })), TypeError);
});

Deno.test("the headings of train's help name settings that exist", () => {
  for (const name of Object.keys(groups)) assert.ok(name in RunConfig.shape, name);
});

Deno.test("readFlags() reads --flag value and --flag=value alike", () => {
  const expected = { folder: "a=b", rate: 0.002, rounds: 3, shuffle: false, kind: "fancy" };
  const pairs = [["folder", "a=b"], ["rate", "2e-3"], ["rounds", "3"], ["shuffle", "false"], [
    "kind",
    "fancy",
  ]];
  assert.deepEqual(read(pairs.flatMap(([name, value]) => [`--${name}`, `${value}`])), expected);
  assert.deepEqual(read(pairs.map(([name, value]) => `--${name}=${value}`)), expected);
});

Deno.test("readFlags() gives only what was typed, the last where a flag is repeated", () => {
  assert.deepEqual(read([]), {});
  assert.deepEqual(read(["--rounds", "3", "--rounds=4"]), { rounds: 4 });
});

Deno.test("readFlags() takes a boolean flag without a value for true", () => {
  assert.deepEqual(read(["--shuffle"]), { shuffle: true });
  assert.deepEqual(read(["--shuffle", "--rounds=3"]), { shuffle: true, rounds: 3 });
});

Deno.test("readFlags() names the flag, what is right and what was given", () => {
  const cases: [string[], string][] = [
    [["--rate=-1"], `Cannot use --rate: expected a number above 0, got "-1"`],
    [["--rate", "-1"], `Cannot use --rate: expected a number above 0, got "-1"`],
    [["--rate", "fast"], `Cannot use --rate: expected a number above 0, got "fast"`],
    [["--rate", "1e999"], `Cannot use --rate: expected a number above 0, got "1e999"`],
    [["--rate", "Infinity"], `Cannot use --rate: expected a number above 0, got "Infinity"`],
    [["--rate", "NaN"], `Cannot use --rate: expected a number above 0, got "NaN"`],
    [["--rate="], `Cannot use --rate: expected a number above 0, got ""`],
    [["--rate"], "Cannot use --rate: expected a number above 0, got no value"],
    [["--rate", "--shuffle"], "Cannot use --rate: expected a number above 0, got no value"],
    [
      ["--share=1"],
      `Cannot use --share: expected a number of at least 0 and below 1, got "1"`,
    ],
    [["--rounds=2.5"], `Cannot use --rounds: expected a whole number from 2 to 9, got "2.5"`],
    [["--rounds=10"], `Cannot use --rounds: expected a whole number from 2 to 9, got "10"`],
    [["--shuffle=yes"], `Cannot use --shuffle: expected true or false, got "yes"`],
    [["--kind=odd"], `Cannot use --kind: expected one of plain, fancy, got "odd"`],
    [["--folder="], `Cannot use --folder: expected text, got ""`],
    [["--folder"], "Cannot use --folder: expected text, got no value"],
  ];
  for (const [args, message] of cases) {
    assert.throws(() => read(args), { name: "InputError", message });
  }
});

Deno.test("readFlags() never gives a value that the schema refuses", () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(RunConfig.shape)), fc.string(), (name, text) => {
      let values;
      try {
        values = read([`--${name}=${text}`], RunConfig);
      } catch (error) {
        assert.ok(error instanceof InputError, `${error}`);
        assert.match(error.message, new RegExp(`^Cannot use --${name}: expected .+, got `));
        return;
      }
      RunConfig.parse(values);
    }),
    { numRuns: 500, seed: 3 },
  );
});

Deno.test("readFlags() reads every number back as it was written", () => {
  fc.assert(
    fc.property(fc.double({ min: Number.MIN_VALUE, max: 1e300, noNaN: true }), (rate) => {
      assert.deepEqual(read(["--rate", String(rate)]), { rate });
    }),
    { seed: 4 },
  );
});

Deno.test("parseFlags() fills in the defaults and wants required flags", () => {
  assert.deepEqual(parseFlags(parsed(Sample, ["--folder", "x"]), Sample), {
    folder: "x",
    rate: 0.5,
    share: 0,
    shuffle: true,
    kind: "plain",
  });
  assert.throws(() => parseFlags(parsed(Sample, ["--rate=1"]), Sample), {
    name: "InputError",
    message: "Cannot run sample: expected --folder (where it goes), got none",
  });
});

Deno.test("declareFlags() shows every flag with its default under its heading", () => {
  const command = new Command("sample");
  declareFlags(command, flagsOf(Sample), { folder: "Places:", rate: "Speed:" });
  const help = command.helpInformation();
  assert.match(help, /Places:\n +--folder \[text\] +where it goes \(required\)/);
  assert.match(help, /Speed:\n +--rate \[number\] +how fast \(default: 0.5\)/);
  assert.match(help, /--kind \[plain\|fancy\]/);
});

Deno.test("nearestName() finds a slip of the pen and a beginning", () => {
  const names = Object.keys(RunConfig.shape);
  assert.equal(nearestName("learning_rat", names), "learning_rate");
  assert.equal(nearestName("learning-rate", names), "learning_rate");
  assert.equal(nearestName("model", names), "model_name_or_path");
  assert.equal(nearestName("", names).length > 0, true);
});
