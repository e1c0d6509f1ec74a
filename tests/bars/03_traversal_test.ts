// Bar 3: no name of an adapter leads out of the folder of the adapters, whoever asks.
import assert from "node:assert/strict";
import { join } from "node:path";
import { InputError, NotFoundError } from "../../core/errors.ts";
import {
  AdapterId,
  listAdapters,
  readAdapter,
  removeAdapter,
  resolveAdapter,
} from "../../data/store/adapters.ts";
import { traversalPayloads } from "./traversal_payloads.ts";
import { canTrace, isInside, LINKS, openedBetween, traced, withRoot } from "./traversal_root.ts";

const CALLS = { resolveAdapter, readAdapter, removeAdapter };

Deno.test("there are at least 60 payloads, and none is the name of an adapter", () => {
  const payloads = traversalPayloads("/outside");
  assert.ok(new Set(payloads).size >= 60);
  for (const payload of payloads) {
    assert.ok(!AdapterId.safeParse(payload).success, JSON.stringify(payload.slice(0, 40)));
  }
});

Deno.test("every payload and every link is refused by all that take a name", () =>
  withRoot(async (root, outside) => {
    for (const payload of [...traversalPayloads(outside), ...LINKS]) {
      for (const [name, call] of Object.entries(CALLS)) {
        await assert.rejects(call(root, payload), (error) => {
          const label = `${name} ${JSON.stringify(payload.slice(0, 40))}`;
          assert.ok(error instanceof InputError || error instanceof NotFoundError, label);
          // Nothing of the payload reaches a log as another line, nothing of the disk an answer.
          assert.ok(error.message.length < 300 && !/[\p{Cc}]/u.test(error.message), label);
          assert.ok(!error.message.includes(outside.slice(0, -7)) || payload === outside, label);
          return true;
        });
      }
    }
    assert.deepEqual((await listAdapters(root)).map(({ id }) => id), ["good"]);
    assert.ok((await Array.fromAsync(Deno.readDir(outside))).length > 3, "nothing was removed");
  }));

Deno.test({
  name: "no payload makes the process open anything outside the root" +
    (canTrace ? "" : " (skipped: strace is not installed)"),
  ignore: !canTrace,
  fn: () =>
    withRoot(async (root, outside) => {
      const trace = join(outside, "..", "trace");
      const child = new URL("03_traversal_child.ts", import.meta.url).href;
      const [command = "", ...args] = traced(
        trace,
        [Deno.execPath(), "run", "--no-check", "--quiet", "-A", child, root, outside],
      );
      const output = await new Deno.Command(command, { args }).output();
      assert.ok(output.success, new TextDecoder().decode(output.stderr));
      const { refused, ...span } = JSON.parse(new TextDecoder().decode(output.stdout));
      const asked = traversalPayloads(outside).length + LINKS.length;
      assert.equal(refused, asked * Object.keys(CALLS).length);
      const opened = await openedBetween(trace, span);
      assert.ok(opened.some((path) => path === join(root, "good", "manifest.json")));
      assert.deepEqual(opened.filter((path) => !isInside(root, path)), []);
    }),
});
