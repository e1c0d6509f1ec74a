import assert from "node:assert/strict";
import { connect } from "../../workers/rpc.ts";
import { openLine, startThread } from "../../workers/thread.ts";

const permissions = {
  env: false,
  ffi: false,
  import: false,
  net: false,
  read: false,
  run: false,
  sys: false,
  write: false,
};
const module = (name: string) => new URL(name, import.meta.url);

async function startDying() {
  const thread = await startThread(module("dying_worker.ts"), { name: "test", permissions });
  const line = openLine();
  thread.watch(line);
  thread.post({ port: line.far }, [line.far]);
  const client = connect(line.near);
  thread.ended.then((reason) => client.fail(new Error(reason)));
  return { thread, client };
}

const deaths: Record<string, string> = {
  throws: "the test thread failed: RangeError: Cannot go on",
  rejects: "the test thread failed: Error: nobody caught this",
  exits: "the test thread ended by itself",
  closes: "the test thread ended by itself",
};

for (const [way, reason] of Object.entries(deaths)) {
  Deno.test(`a thread that ${way} is noticed, and its calls fail with the reason`, async () => {
    const { thread, client } = await startDying();
    await assert.rejects(client.call("die", way), { message: reason });
    assert.equal(await thread.ended, reason);
    await assert.rejects(client.call("add", [1, 2]), { message: reason });
    thread.stop();
  });
}

Deno.test("a thread that is stopped fails its calls", async () => {
  const { thread, client } = await startDying();
  assert.equal(await client.call("add", [1, 2]), 3);
  const call = client.call("die", "lives");
  thread.stop();
  await assert.rejects(call, { message: "the test thread was stopped" });
});

Deno.test("startThread() rejects for a module that cannot be loaded", async () => {
  await assert.rejects(
    startThread(module("no_such_worker.ts"), { name: "test", permissions }),
    /^Error: the test thread failed: Module not found/,
  );
});
