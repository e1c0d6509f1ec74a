// Bar 24: SIGKILLs while jobs are logged lose nothing that was acknowledged, and a file of another
// schema is migrated or refused, never left in between.
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CorruptFileError } from "../../core/errors.ts";
import { Random } from "../../core/random.ts";
import { JobStore } from "../../data/store/jobs.ts";
import { jobsSchema } from "../../data/store/jobs_schema.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";

const KILLS = 50;
const MIGRATION_KILLS = 20;

const child = new URL("24_sqlite_child.ts", import.meta.url).href;

Deno.test(`${KILLS} kills while logging leave the file sound and lose no acknowledged row`, async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "jobs.sqlite");
  const random = new Random(24);
  const acknowledged = { event: 0, job: 0 };
  for (let kill = 0; kill < KILLS; kill++) {
    const before = acknowledged.event;
    const lines = 1 + random.integer(60);
    for (
      const line of await killAfter(["log", path, String(before)], { lines, withinMs: 2, random })
    ) {
      const [what, n] = line.split(" ");
      if (what === "event" || what === "job") acknowledged[what] = Number(n);
    }
    assert.ok(acknowledged.event > before, "nothing was logged");
    // The file as the kill left it: a plain connection plays the log back.
    const database = new DatabaseSync(path);
    assert.deepEqual({ ...database.prepare("PRAGMA integrity_check").get() }, {
      integrity_check: "ok",
    });
    database.close();
    await using store = await JobStore.open<{ type: "notice"; n: number }>(path);
    const jobs = store.list();
    const numbers = store.events(jobs.at(-1)?.id ?? "").flatMap(({ event }) =>
      event.type === "notice" ? [event.n] : []
    );
    // One more may be there: stored, and killed before it was said.
    assert.ok(numbers.length === acknowledged.event || numbers.length === acknowledged.event + 1);
    assert.deepEqual(numbers, Array.from(numbers, (_, i) => i + 1));
    const made = jobs.flatMap(({ request }) => typeof request.n === "number" ? [request.n] : []);
    assert.ok(made.length * 7 >= acknowledged.job);
    assert.deepEqual(made.reverse(), Array.from(made, (_, i) => 7 * (i + 1)));
    assert.ok(jobs.every(({ state }) => state === "queued"), "interrupted jobs are queued again");
    acknowledged.event = numbers.length;
    if (acknowledged.event % 7 === 0 && made.length * 7 < acknowledged.event) {
      // Killed between event and job: the child goes on with the next event.
      store.create({ kind: "front", adapter: "a", request: { n: acknowledged.event } });
    }
    acknowledged.job = 7 * Math.floor(acknowledged.event / 7);
  }
});

Deno.test("a file of the first schema is brought to the newest with all that it holds", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "jobs.sqlite");
  makeFirstVersion(path);
  await using store = await JobStore.open(path);
  const jobs = store.list();
  assert.deepEqual(jobs.map(({ id, state }) => `${id} ${state}`), ["b queued", "a done"]);
  assert.deepEqual(store.events("a").map(({ event }) => event), [{ type: "notice" }]);
  store.claim();
  store.cancel("b"); // uses what the second version added
});

Deno.test("a migration that cannot be finished leaves the file as it was", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "jobs.sqlite");
  const last = jobsSchema.migrations.at(-1) ?? "";
  makeFirstVersion(path, last); // its column is there already, so adding it fails
  const before = contents(path);
  await assert.rejects(
    JobStore.open(path),
    (error) => error instanceof CorruptFileError && error.message.includes(path),
  );
  assert.deepEqual(contents(path), before);
});

Deno.test(`${MIGRATION_KILLS} kills while a file is migrated leave it at one version or the other`, async () => {
  const random = new Random(2);
  for (let kill = 0; kill < MIGRATION_KILLS; kill++) {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "jobs.sqlite");
    makeFirstVersion(path);
    await killAfter(["open", path], { lines: 1, withinMs: 15, random });
    const { version, tables } = contents(path);
    assert.ok(version === 1 || version === jobsSchema.migrations.length);
    assert.equal(JSON.stringify(tables).includes("cancelling"), version > 1);
    await using store = await JobStore.open(path);
    assert.equal(store.list().length, 2);
  }
});

Deno.test("a write past the room there is names the file and loses no acknowledged row", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "jobs.sqlite");
  const limitKiB = 512;
  // With the signal ignored, writing past the limit fails as it does with a full disk.
  const { stdout, stderr } = await new Deno.Command("bash", {
    args: [
      "-c",
      `trap '' XFSZ; ulimit -f ${limitKiB}; exec "$0" "$@"`,
      Deno.execPath(),
      ...childArguments("log", path),
    ],
    stdout: "piped",
    stderr: "piped",
  }).output();
  const said = new TextDecoder().decode(stderr);
  assert.ok(said.includes("StorageError") && said.includes(path), said);
  const events = [...new TextDecoder().decode(stdout).matchAll(/event (\d+)/g)];
  await using store = await JobStore.open<{ type: "notice"; n: number }>(path);
  const numbers = store.events(store.list().at(-1)?.id ?? "").flatMap(({ event }) =>
    event.type === "notice" ? [event.n] : []
  );
  assert.ok(numbers.length > 10);
  assert.equal(numbers.at(-1), Number(events.at(-1)?.[1]));
});

/** A file as the first version of the schema made it, with two jobs and an event. */
function makeFirstVersion(path: string, more = "") {
  const database = new DatabaseSync(path);
  database.exec(`
    PRAGMA journal_mode = WAL;
    ${jobsSchema.migrations[0]}
    PRAGMA application_id = ${jobsSchema.applicationId};
    PRAGMA user_version = 1;
    INSERT INTO jobs (id, kind, adapter, state, place, created, request) VALUES
      ('a', 'train', 'a', 'done', 1, '2026-01-01T00:00:00.000Z', '{}'),
      ('b', 'front', 'a', 'running', 2, '2026-01-01T00:00:01.000Z', '{}');
    INSERT INTO events VALUES (1, 1, '2026-01-01T00:00:02.000Z', '{"type":"notice"}');
    ${more}
  `);
  database.close();
}

function contents(path: string) {
  const database = new DatabaseSync(path);
  const read = (sql: string) => database.prepare(sql).all().map((row) => ({ ...row }));
  const found = {
    version: Number(read("PRAGMA user_version")[0]?.user_version),
    tables: read("SELECT name, sql FROM sqlite_schema"),
    jobs: read("SELECT * FROM jobs"),
    events: read("SELECT * FROM events"),
  };
  database.close();
  return found;
}

function childArguments(...args: string[]): string[] {
  return ["run", "--no-check", "--quiet", "-A", child, ...args];
}

/** Runs the child, kills it at a random moment after its n-th line; returns all lines. */
async function killAfter(
  args: string[],
  { lines, withinMs, random }: { lines: number; withinMs: number; random: Random },
): Promise<string[]> {
  const process = new Deno.Command(Deno.execPath(), {
    args: childArguments(...args),
    stdout: "piped",
  }).spawn();
  let text = "";
  let killed = false;
  for await (const piece of process.stdout.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (killed || text.split("\n").length <= lines) continue;
    killed = true;
    const until = performance.now() + withinMs * random.uniform();
    while (performance.now() < until); // shorter than any timer can wait
    kill(process);
  }
  await process.status;
  return text.split("\n").slice(0, -1);
}

function kill(process: Deno.ChildProcess) {
  try {
    process.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it had ended by itself
  }
}
