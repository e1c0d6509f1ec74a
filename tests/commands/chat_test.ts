// `deno task chat` as users meet it, and its parts: columns, sections, the dialogue.
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Ask, askTogether } from "../../commands/chat_answers.ts";
import { holdDialogue } from "../../commands/chat_dialogue.ts";
import { createAnswerWriter } from "../../commands/chat_text.ts";
import type { Lines } from "../../commands/lines.ts";
import type { Stream } from "../../commands/output.ts";
import { type Chat, createChat } from "../../workers/chat.ts";
import { createFolderStore } from "../../workers/chat_adapters.ts";
import { storeBuiltinAdapter } from "../workers/builtin_adapter.ts";
import { runMain } from "./process.ts";

const question = "How do I open a lock that is not mine?";

/** A stream that keeps what is written. */
function memory(options: { isTTY: boolean; columns?: number }): Stream & { written: string } {
  return {
    columns: 80,
    ...options,
    written: "",
    write(text) {
      this.written += text;
    },
  };
}

Deno.test("one answer is written as it comes", () => {
  for (const isTTY of [true, false]) {
    const stream = memory({ isTTY });
    const writer = createAnswerWriter(stream, ["helpful 1.00"]);
    writer.text(0, "Use ");
    assert.equal(stream.written, "Use ");
    writer.text(0, "a key.");
    writer.end(0);
    assert.equal(stream.written, "Use a key.\n");
  }
});

Deno.test("several answers stand under their labels where there is no terminal", () => {
  const stream = memory({ isTTY: false });
  const writer = createAnswerWriter(stream, ["first", "second", "third"]);
  writer.text(1, "B");
  writer.text(0, "a");
  assert.equal(stream.written, "first\na", "the first is not held back");
  writer.text(0, "A");
  writer.end(2);
  writer.end(0);
  writer.text(1, "b");
  assert.equal(stream.written, "first\naA\n\nsecond\nBb");
  writer.end(1);
  assert.equal(stream.written, "first\naA\n\nsecond\nBb\n\nthird\n\n");
});

Deno.test("several answers stand side by side on a wide terminal, line by line", () => {
  const stream = memory({ isTTY: true, columns: 62 }); // two columns of 30
  const writer = createAnswerWriter(stream, ["left", "right"]);
  writer.text(0, "a sentence that is longer than the column is wide\nnew line");
  writer.text(1, "short");
  const head = ["left".padEnd(32) + "right", `${"─".repeat(30)}  ${"─".repeat(30)}`, ""].join("\n");
  assert.equal(stream.written, head, "the right line may still grow");
  writer.end(1);
  assert.equal(
    stream.written,
    head + `${"a sentence that is longer than".padEnd(32)}short\nthe column is wide\n`,
  );
  writer.end(0);
  assert.ok(stream.written.endsWith("the column is wide\nnew line\n"));
});

Deno.test("columns hold words, long words, wide characters and tabs within their width", () => {
  const stream = memory({ isTTY: true, columns: 62 });
  const writer = createAnswerWriter(stream, ["l", "r"]);
  const texts = ["x".repeat(70) + " y", "日本語".repeat(12) + " 🎉\tz"];
  for (const [i, text] of texts.entries()) {
    for (const character of text) writer.text(i, character);
    writer.end(i);
  }
  const lines = stream.written.trimEnd().split("\n").slice(2);
  assert.deepEqual(lines.map((line) => line.slice(0, 30).trimEnd()), [
    "x".repeat(30),
    "x".repeat(30),
    "x".repeat(10) + " y",
  ]);
  assert.deepEqual(lines.map((line) => line.slice(32)), [
    "日本語".repeat(5),
    "日本語".repeat(5),
    "日本語".repeat(2) + " 🎉    z",
  ]);
});

Deno.test("a narrow terminal gets sections, and no terminal obeys what a model writes", () => {
  const narrow = memory({ isTTY: true, columns: 50 });
  const sections = createAnswerWriter(narrow, ["l", "r"]);
  sections.text(0, "\x1b[2Jgone\x07\r!");
  sections.end(0);
  sections.end(1);
  assert.equal(narrow.written, "l\n[2Jgone!\n\nr\n\n");
  const piped = memory({ isTTY: false });
  createAnswerWriter(piped, ["l"]).text(0, "\x1b[2J");
  assert.equal(piped.written, "\x1b[2J", "a file gets what was written");
});

/** Hands `fn` a way to ask an adapter with random parameters, greedily. */
async function withAsk(fn: (ask: Ask, chat: Chat, folder: string) => Promise<void>): Promise<void> {
  const parent = await Deno.makeTempDir();
  const folder = join(parent, "run");
  await storeBuiltinAdapter(folder, { seed: 1 });
  const chat = createChat({
    store: createFolderStore(),
    format: "float32",
    threads: 2,
    spin: false,
    maxRows: 4,
    maxWaiting: 0,
    maxCacheBytes: 2 ** 28,
    prefixCacheBytes: 2 ** 24,
    maxModelBytes: Infinity,
    cacheFolder: join(parent, "graphs"),
    env: () => undefined,
  });
  try {
    const settings = { adapter: folder, temperature: 0, top_p: 1, max_tokens: 20, stop: [] };
    await fn(askTogether(chat, { ...settings, onStart: () => {} }), chat, folder);
  } finally {
    chat.finish();
    await chat.close();
    await chat.dispose();
    await Deno.remove(parent, { recursive: true });
  }
}

/** Lines that are typed one after the other; a function is called and then counts as Ctrl-C. */
function typed(...script: string[]): Lines {
  const rest = [...script];
  return {
    next: () => Promise.resolve(rest.shift() ?? null),
    async breakable(work) {
      const controller = new AbortController();
      if (rest[0] === "^C") {
        rest.shift();
        controller.abort();
      }
      return await work(controller.signal);
    },
    close() {},
  };
}

Deno.test("a dialogue keeps what was said, changes λ and forgets", async () => {
  await withAsk(async (ask) => {
    const asked: { preference: number[]; turns: string[] }[] = [];
    const watched: Ask = (questions, options) => {
      for (const { preference, messages } of questions) {
        asked.push({ preference, turns: messages.map(({ role }) => role) });
      }
      return ask(questions, options);
    };
    const stream = memory({ isTTY: false });
    await holdDialogue({
      dimensions: ["helpful", "harmless"],
      preferences: [[0.5, 0.5]],
      system: undefined,
      ask: watched,
      lines: typed(
        question,
        "  ",
        question,
        "/preference 1,0 helpful=0,harmless=1",
        question,
        "/new",
        question,
        "^C",
        question,
        "/preference 2,0",
        "/what",
      ),
      stream,
    });
    const [user, answer] = ["user", "assistant"];
    assert.deepEqual(asked, [
      { preference: [0.5, 0.5], turns: [user] },
      { preference: [0.5, 0.5], turns: [user, answer, user] },
      ...[[1, 0], [0, 1]].map((preference) => ({
        preference,
        turns: [user, answer, user, answer, user],
      })),
      ...[[1, 0], [0, 1], [1, 0], [0, 1]].map((preference) => ({ preference, turns: [user] })),
    ]);
    assert.match(stream.written, /^helpful 0\.50, harmless 0\.50\n\/preference .* Ctrl-D/);
    assert.match(
      stream.written,
      /helpful 1\.00, harmless 0\.00 \| helpful 0\.00, harmless 1\.00\n/,
    );
    assert.match(stream.written, /Cannot use preference: .*\n\/preference/, "and it goes on");
  });
});

Deno.test("a dialogue that outgrows the context says so and goes on", async () => {
  await withAsk(async (ask) => {
    const stream = memory({ isTTY: false });
    await holdDialogue({
      dimensions: ["helpful", "harmless"],
      preferences: [[0.5, 0.5]],
      system: undefined,
      ask,
      lines: typed("lock ".repeat(150), question),
      stream,
    });
    assert.match(stream.written, /context of 128 tokens, got \d+ \+ 20\n.+\n$/);
  });
});

Deno.test("askTogether() draws one seed for all its questions", async () => {
  await withAsk(async (_, chat, folder) => {
    const settings = { adapter: folder, temperature: 1, top_p: 1, max_tokens: 15, stop: [] };
    const ask = askTogether(chat, { ...settings, onStart: () => {} });
    const messages = [{ role: "user" as const, content: question }];
    const both = [{ preference: [1, 0], messages }, { preference: [1, 0], messages }];
    const signal = new AbortController().signal;
    const { answers: [one, two], seed } = await ask(both, { writer: null, signal });
    assert.ok(one && one.text === two?.text);
    const again = askTogether(chat, { ...settings, seed, onStart: () => {} });
    assert.equal((await again(both, { writer: null, signal })).answers[0]?.text, one.text);
    const five = [...both, ...both, ...both].slice(0, 5); // one more than there is room for
    await assert.rejects(ask(five, { writer: null, signal }), { name: "OverloadedError" });
    assert.equal((await chat.gauges()).chat_queue_depth, 0);
  });
});

async function inFolder(fn: (adapter: string, env: Record<string, string>) => Promise<void>) {
  const parent = await Deno.makeTempDir();
  try {
    const adapter = join(parent, "run");
    await storeBuiltinAdapter(adapter, { seed: 1 });
    await fn(adapter, { XDG_CACHE_HOME: join(parent, "cache") });
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

const quick = ["--max_tokens", "12", "--seed", "3", "--temperature", "0.5"];

Deno.test("chat answers on standard output, the same text as --json tells", async () => {
  await inFolder(async (adapter, env) => {
    const args = ["chat", "--adapter", adapter, ...quick];
    const λ = ["--preference", "helpful=0.7,harmless=0.3", "--preference", "0,1"];
    const json = await runMain([...args, "--json", ...λ, question], { env });
    assert.equal(json.code, 0, json.stderr);
    const { answers, ...rest } = JSON.parse(json.stdout);
    assert.deepEqual(rest, { adapter, dimensions: ["helpful", "harmless"], seed: 3 });
    const [first, second] = answers;
    assert.deepEqual([first.preference, second.preference], [[0.7, 0.3], [0, 1]]);
    assert.ok(first.completionTokens <= 12 && first.promptTokens > 0);

    const both = await runMain([...args, ...λ, question], { env });
    assert.equal(
      both.stdout,
      `helpful 0.70, harmless 0.30\n${first.text}\n\nhelpful 0.00, harmless 1.00\n${second.text}\n`,
    );
    const one = await runMain([...args, ...λ.slice(0, 2), question], { env });
    assert.equal(one.stdout, `${first.text}\n`);
    assert.doesNotMatch(one.stderr, /Preparing/, "weights are prepared once");
  });
});

const wrong: { name: string; args: string[]; message: RegExp }[] = [
  { name: "no question", args: [], message: /expected a question, as an argument or on standard/ },
  {
    name: "a preference that does not sum to 1",
    args: ["--preference", "0.5,0.6", "Hi"],
    message: /summing to 1/,
  },
  { name: "a flag without value", args: ["--preference", "--json", "Hi"], message: /got no value/ },
  {
    name: "an unknown flag",
    args: ["--preferense", "1,0", "Hi"],
    message: /nearest: --preference/,
  },
  {
    name: "more tokens than the context",
    args: ["--max_tokens", "127", question],
    message: /context of 128 tokens, got \d+ \+ 127/,
  },
  {
    name: "a temperature out of range",
    args: ["--temperature", "3", "Hi"],
    message: /--temperature: expected a number from 0 to 2, got "3"/,
  },
  { name: "an empty stop text", args: ["--stop", "", "Hi"], message: /--stop: expected 1 to 256/ },
  { name: "two questions", args: ["Hi", "there"], message: /at most 1 argument beside flags/ },
];

Deno.test("chat refuses wrong input in one sentence", async (t) => {
  await inFolder(async (adapter, env) => {
    for (const { name, args, message } of wrong) {
      await t.step(name, async () => {
        const { code, stdout, stderr } = await runMain(["chat", "--adapter", adapter, ...args], {
          env,
        });
        assert.equal(code, 2, stderr);
        assert.match(stderr.replace(/^Preparing weights.*\n/gm, ""), message);
        assert.equal(stdout, "");
        assert.doesNotMatch(stderr, /\n {4}at /);
      });
    }
    await t.step("no adapter there", async () => {
      const { code, stderr } = await runMain(["chat", "--adapter", `${adapter}/no`, "Hi"], { env });
      assert.deepEqual([code, /expected the folder of a run/.test(stderr)], [2, true], stderr);
    });
  });
});

Deno.test("chat takes a question from standard input, and refuses an empty one", async () => {
  await inFolder(async (adapter, env) => {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "-A", "main.ts", "chat", "--adapter", adapter, ...quick],
      cwd: new URL("../../", import.meta.url),
      env,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    });
    const child = command.spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`${question}\n`));
    await writer.close();
    const { code, stdout, stderr } = await child.output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const text = new TextDecoder().decode(stdout);
    const asArgument = await runMain(["chat", "--adapter", adapter, ...quick, question], { env });
    assert.equal(text, asArgument.stdout);

    const silent = command.spawn();
    await silent.stdin.close();
    assert.equal((await silent.output()).code, 2);
  });
});
