// The process that 03_traversal_test.ts watches with strace: asks the store for every payload as an
// adapter's name, and says when it started and ended to do so.
import {
  listAdapters,
  readAdapter,
  removeAdapter,
  resolveAdapter,
} from "../../data/store/adapters.ts";
import { traversalPayloads } from "./traversal_payloads.ts";

const [root = "", outside = ""] = Deno.args;
const calls = [resolveAdapter, readAdapter, removeAdapter];
// Everything the runtime loads lazily is loaded by one good and one bad request each.
for (const call of calls) await call(root, "..").catch(() => {});
await readAdapter(root, "good");
await listAdapters(root);

const start = Date.now();
let refused = 0;
for (const payload of [...traversalPayloads(outside), "out", "inside-out"]) {
  for (const call of calls) await call(root, payload).catch(() => refused++);
}
await listAdapters(root);
const end = Date.now() + 1;
Deno.stdout.writeSync(
  new TextEncoder().encode(JSON.stringify({ refused, pid: Deno.pid, start, end })),
);
