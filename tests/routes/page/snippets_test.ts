import assert from "node:assert/strict";
import { defaultSampling } from "../../../routes/page/address.ts";
import { type Asked, curlCommand, pythonProgram } from "../../../routes/page/chat/snippets.ts";

const asked: Asked = {
  origin: "http://127.0.0.1:8000",
  model: "builtin:first",
  adapter: "first",
  preference: [0.7, 0.3],
  question: "How?",
  sampling: defaultSampling,
  key: false,
};

/** Words that would end a quotation, run a command or become another character. */
const hostile = [
  `it's "quoted" and 'quoted'`,
  "$(touch x) `touch x` $HOME ${HOME} \\ \\n",
  "two\nlines\r\n\ttab",
  "grüße 世界 🙂 \u2028 \u0000 \u001b[31m",
  "'; rm -rf x; '",
  '""" + __import__("os").sep + """',
  "\ud800 alone",
];

Deno.test("the curl command asks this server, with λ and sampling", () => {
  assert.equal(
    curlCommand(asked),
    `curl 'http://127.0.0.1:8000/chat?adapter=first&preference=0.7,0.3' \\
  -H 'Content-Type: application/json' \\
  -d '{
  "messages": [
    {
      "role": "user",
      "content": "How?"
    }
  ],
  "temperature": 0.7,
  "top_p": 1,
  "seed": 42
}'`,
  );
});

Deno.test("a shell hands curl the question as it was typed", async () => {
  for (const question of hostile) {
    const command = curlCommand({ ...asked, question }).replace(/^curl /, "printf '%s\\n' ");
    const { stdout, code } = await new Deno.Command("sh", { args: ["-c", command] }).output();
    assert.equal(code, 0);
    const text = new TextDecoder().decode(stdout);
    const body = JSON.parse(text.slice(text.indexOf("\n-d\n") + 4));
    assert.equal(body.messages[0].content, question, question);
  }
});

Deno.test("the Python program holds the question as it was typed", async (t) => {
  const python = ["python3", "python"].find(exists);
  await t.step({
    name: python === undefined ? "skipped: no Python here" : "parsed by Python itself",
    ignore: python === undefined,
    fn: async () => {
      for (const question of hostile) {
        const program = pythonProgram({ ...asked, question });
        // ast reads the program without running it; the question is the longest string in it.
        const reader = "import ast,sys,json;" +
          "tree=ast.parse(sys.argv[1]);" +
          "found=[n for n in ast.walk(tree) if isinstance(n,ast.Dict) and len(n.keys)==2];" +
          "print(json.dumps(found[0].values[1].value))";
        const args = ["-c", reader, program];
        const { stdout, stderr, code } = await new Deno.Command(python ?? "", { args }).output();
        assert.equal(code, 0, new TextDecoder().decode(stderr));
        const read = JSON.parse(new TextDecoder().decode(stdout));
        assert.equal(read, question.toWellFormed());
      }
    },
  });
});

Deno.test("a limit of tokens is passed on", () => {
  const limited = { ...asked, sampling: { ...defaultSampling, max_tokens: 9 } };
  assert.match(curlCommand(limited), /"max_tokens": 9,/);
  assert.match(pythonProgram(limited), /max_tokens=9,/);
  assert.doesNotMatch(pythonProgram(asked), /max_tokens/);
});

Deno.test("the key is named, never written out", () => {
  assert.match(curlCommand({ ...asked, key: true }), /Bearer \$PANACEA_API_KEY"/);
  assert.match(pythonProgram({ ...asked, key: true }), /os\.environ\["PANACEA_API_KEY"\]/);
  assert.doesNotMatch(pythonProgram(asked), /import os/);
});

Deno.test("the Python program names model and λ as /v1 takes them", () => {
  const program = pythonProgram(asked);
  assert.match(program, /base_url="http:\/\/127\.0\.0\.1:8000\/v1"/);
  assert.match(program, /model="builtin:first"/);
  assert.match(program, /extra_body=\{"preference": \[0\.7, 0\.3\]\}/);
});

function exists(command: string): boolean {
  try {
    return new Deno.Command(command, { args: ["--version"] }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
