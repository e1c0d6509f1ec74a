// The other process of 24_sqlite_test.ts: writes jobs and events until it is killed, and says on
// standard output what has been acknowledged. It also opens a file, for kills while it migrates.
import { JobStore } from "../../data/store/jobs.ts";

const [role = "", path = "", from = "0"] = Deno.args;
const roles: Record<string, () => Promise<void>> = { log, open };
await roles[role]?.();

/** Event n, and with every seventh of them job n; one line for each that the store has taken. */
async function log() {
  const store = await JobStore.open<{ type: "notice"; n: number }>(path);
  const job = store.list().at(-1) ?? store.create({ kind: "train", adapter: "a", request: {} });
  if (job.state === "queued") store.claim(({ id }) => id === job.id);
  for (let n = Number(from) + 1;; n++) {
    store.append(job.id, [{ type: "notice", n }]);
    say(`event ${n}`);
    store.progress(job.id, { what: "Counting", done: n, total: n });
    if (n % 7 !== 0) continue;
    store.create({ kind: "front", adapter: "a", request: { n } });
    say(`job ${n}`);
  }
}

async function open() {
  say("opening");
  await using store = await JobStore.open(path);
  say(`jobs ${store.list().length}`);
}

function say(line: string) {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}
