import assert from "node:assert/strict";

const root = new URL("../../", import.meta.url);
const ignore = Deno.build.os === "windows";

/** A process that listens, and 300 ms after it was stopped says so; `end`: it then leaves. */
function listener({ end }: { end: boolean }): Deno.ChildProcess {
  const code = `
    import { listenForSignals } from "./commands/signals.ts";
    import { exitCodeOf } from "./commands/outcome.ts";
    const signal = listenForSignals();
    setInterval(() => console.log("waiting"), 50);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    await new Promise((resolve) => setTimeout(resolve, 300));
    console.log("saved");
    if (${end}) Deno.exit(exitCodeOf(signal.reason));
  `;
  const args = ["run", "--no-check", "-A", "--ext=ts", "-"];
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: root,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  writer.write(new TextEncoder().encode(code)).then(() => writer.close());
  return child;
}

/** Everything the process says; `onOutput` is called whenever it says something. */
async function listen(child: Deno.ChildProcess, onOutput: () => void): Promise<string> {
  let text = "";
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    onOutput();
  }
  return text;
}

for (const [name, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test({
    name: `listenForSignals() lets a session save after ${name}, also when it comes twice at once`,
    ignore,
    async fn() {
      const child = listener({ end: true });
      let sent = false;
      const text = await listen(child, () => {
        if (sent) return;
        child.kill(name); // as the terminal sends it
        child.kill(name); // as deno task passes it on
        sent = true;
      });
      assert.equal((await child.status).code, code);
      assert.match(text, /saved/);
    },
  });
}

Deno.test({
  name: "listenForSignals() leaves at once when asked again",
  ignore,
  async fn() {
    const child = listener({ end: false }); // never ends of its own accord
    await listen(child, () => {
      try {
        child.kill("SIGINT");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it has ended
      }
    });
    assert.equal((await child.status).code, 130);
  },
});
