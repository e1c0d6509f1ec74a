import assert from "node:assert/strict";
import { loadInstructions } from "../../../../data/datasets/instructions/mod.ts";
import { withFiles } from "../files.ts";

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

/** The examples of one file. */
async function load(name: string, rows: unknown[] | string) {
  let examples: unknown[] = [];
  await withFiles({ [name]: rows }, async (paths) => {
    ({ examples } = await loadInstructions(paths[name] ?? ""));
  });
  return examples;
}

/** Checks the sentence with which one file of rows is refused, its path written as FILE. */
async function refuses(rows: unknown[] | string, message: string, name = "a.jsonl") {
  await withFiles({ [name]: rows }, async (paths) => {
    await assert.rejects(
      loadInstructions(paths[name] ?? ""),
      (error: Error) => {
        assert.equal(error.name, "InputError");
        assert.equal(error.message.replaceAll(paths[name] ?? "", "FILE"), message);
        return true;
      },
    );
  });
}

Deno.test("loadInstructions() reads Alpaca rows, an input below the instruction", async () => {
  const rows = [
    { instruction: "Add", input: "1 and 2", output: "3", text: "ignored" },
    { instruction: "Greet", input: "", output: "Hi" },
    { instruction: "Greet", output: "Ho" },
    { instruction: "Say nothing", input: "", output: " \n" },
  ];
  const expected = [
    { prompt: [user("Add\n\n1 and 2")], completion: [assistant("3")] },
    { prompt: [user("Greet")], completion: [assistant("Hi")] },
    { prompt: [user("Greet")], completion: [assistant("Ho")] },
  ];
  assert.deepEqual(await load("a.jsonl", rows), expected);
  assert.deepEqual(await load("a.jsonl.gz", rows), expected);
  assert.deepEqual(await load("a.json", JSON.stringify(rows, null, 4)), expected); // as published
  assert.deepEqual(await load("a.json.gz", `\n ${JSON.stringify(rows)}\n`), expected);
  assert.deepEqual(await load("a.json", rows), expected); // lines after all
});

Deno.test("loadInstructions() reads dialogues; the first answer begins the completion", async () => {
  const system = { role: "system", content: "Be brief" };
  const turns = [system, user("a"), assistant("b"), user("c"), assistant("d")];
  const rows = [
    { messages: [...turns, user("unanswered")], source: "x" },
    { messages: [user("a"), { ...assistant("b"), name: "ignored" }] },
    { messages: [user("nobody answers")] },
    { messages: [user("a"), assistant(""), user("?"), assistant("b")] },
  ];
  assert.deepEqual(await load("a.jsonl", rows), [
    { prompt: [system, user("a")], completion: [assistant("b"), user("c"), assistant("d")] },
    { prompt: [user("a")], completion: [assistant("b")] },
    { prompt: [user("a"), assistant(""), user("?")], completion: [assistant("b")] },
  ]);
});

Deno.test("loadInstructions() reads prompts with completions; a prompt's answers stay prompt", async () => {
  const before = [user("a"), assistant("b"), user("c")];
  const rows = [
    { prompt: "a", completion: "b" },
    { prompt: before, completion: "d" },
    { prompt: before, completion: [assistant("d"), user("e"), assistant("f")] },
    { prompt: before, completion: [assistant(" "), user("e"), assistant("f")] },
    { prompt: "a", completion: "" },
  ];
  assert.deepEqual(await load("a.jsonl", rows), [
    { prompt: [user("a")], completion: [assistant("b")] },
    { prompt: before, completion: [assistant("d")] },
    { prompt: before, completion: [assistant("d"), user("e"), assistant("f")] },
    { prompt: [...before, assistant(" "), user("e")], completion: [assistant("f")] },
  ]);
});

Deno.test("loadInstructions() joins files, and its fingerprint is of what they hold", async () => {
  const files = {
    "a.jsonl": [{ instruction: "x", output: "1" }],
    "b.jsonl": [{ messages: [user("y"), assistant("2")] }],
    "both.jsonl": [{ prompt: "x", completion: "1" }, { prompt: "y", completion: "2" }],
    "roles.jsonl": [{ prompt: "x", completion: "1" }, {
      prompt: [{ role: "system", content: "y" }],
      completion: "2",
    }],
  };
  await withFiles(files, async (paths) => {
    const joined = await loadInstructions(`${paths["a.jsonl"]}+${paths["b.jsonl"]}`);
    const both = await loadInstructions(paths["both.jsonl"] ?? "");
    assert.deepEqual(joined, both);
    assert.match(both.fingerprint, /^[0-9a-f]{64}$/);
    const roles = await loadInstructions(paths["roles.jsonl"] ?? "");
    assert.notEqual(roles.fingerprint, both.fingerprint);
  });
});

Deno.test("loadInstructions() knows the corpus of the built-in world", async () => {
  const { examples, fingerprint } = await loadInstructions("builtin");
  assert.equal(examples.length, 552 * 16);
  assert.equal((await loadInstructions("builtin")).fingerprint, fingerprint);
  const test = await loadInstructions("builtin", { split: "test" });
  const trained = new Set(examples.map(({ prompt }) => prompt[0]?.content));
  assert.ok(test.examples.length > 100);
  assert.ok(!test.examples.some(({ prompt }) => trained.has(prompt[0]?.content)));
});

Deno.test("loadInstructions() names file, row and field of what is malformed", async () => {
  const good = { instruction: "x", output: "1" };
  await refuses(
    [good, { instruction: "x", output: 3 }],
    "Cannot read FILE:2: expected a text in the field output, got 3",
  );
  await refuses(
    JSON.stringify([good, { instruction: 1, output: "2" }]),
    "Cannot read FILE[1]: expected a text in the field instruction, got 1",
    "a.json",
  );
  await refuses([good, 7], "Cannot read FILE:2: expected one JSON object a line, got 7");
  const form = "a list of {role, content} with the roles system, user and assistant";
  await refuses(
    [{ messages: [{ role: "tool", content: "x" }] }],
    `Cannot read FILE:1: expected ${form} in the field messages, got [{"role":"tool","content":"x"}]`,
  );
  await refuses(
    [{ messages: [] }],
    `Cannot read FILE:1: expected ${form} in the field messages, got []`,
  );
  await refuses(
    [{ prompt: "a", completion: [user("b")] }],
    "Cannot read FILE:1: expected a text or a list of {role, content} that begins with the " +
      'assistant in the field completion, got [{"role":"user","content":"b"}]',
  );
  await refuses(
    '[{"instruction": "x", "output": "1"',
    'Cannot read FILE: expected an array of rows as JSON, got "' +
      jsonError('[{"instruction": "x", "output": "1"') + '"',
    "a.json",
  );
});

Deno.test("loadInstructions() says what it can read, and when nothing is to be learned", async () => {
  await refuses(
    [{ chosen: "a", rejected: "b" }],
    "Cannot read FILE: expected rows with messages; or prompt, completion; or instruction, output " +
      "(and perhaps input); or --columns that say what is what, got chosen, rejected",
  );
  await refuses([], "Cannot read FILE: expected at least one row, got none");
  await refuses(
    [{ instruction: "x", output: "" }],
    "Cannot use the data set FILE: expected rows in which the assistant says something, got none",
  );
  await assert.rejects(loadInstructions("helpful=a.jsonl"), {
    name: "InputError",
    message: "Cannot read the dataset option: expected instruction files joined by +, which " +
      "belong to no dimension, got helpful=a.jsonl",
  });
  await assert.rejects(loadInstructions("nowhere.jsonl"), { name: "InputError", message: /none/ });
});

function jsonError(text: string): string {
  try {
    return `${JSON.parse(text)}`;
  } catch (error) {
    return error instanceof Error ? error.message : "";
  }
}
