// `deno task serve` as users start it: a process with the task's own flags.
import assert from "node:assert/strict";
import type { Job } from "../../data/store/job.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { ask, finished, post, smallRun, watch } from "../workers/serving.ts";
import { runMain } from "./process.ts";
import { startServerProcess } from "./server_process.ts";

Deno.test("serve tells its address in two lines, on the loopback address, and ends with 0", async () => {
  await using folder = await temporaryFolder();
  await using server = await startServerProcess(folder.path);
  const { stdout } = server.output();
  assert.match(
    stdout,
    /^Serving \S+ on http:\/\/127\.0\.0\.1:\d+\nOpen it in a browser, or see \S+\/docs\n$/,
  );
  assert.deepEqual(await ask(`${server.url}/health`), { status: "ok" });
  assert.deepEqual(await listeningAddresses(server.pid), ["127.0.0.1"]);
  server.kill("SIGTERM");
  assert.equal(await server.code, 0);
});

Deno.test("serve --json prints one document", async () => {
  await using folder = await temporaryFolder();
  await using server = await startServerProcess(folder.path, ["--json"]);
  assert.deepEqual(JSON.parse(server.output().stdout), { address: server.url });
  server.kill("SIGINT");
  assert.equal(await server.code, 0);
});

Deno.test("serve refuses an address that others can reach without an API key, and takes it with one", async () => {
  await using folder = await temporaryFolder();
  for (const host of ["0.0.0.0", "::", "192.0.2.1", "example.org", "127.0.0.256"]) {
    const { code, stderr } = await runMain(["serve", "--host", host, "--runs", folder.path], {
      env: { PANACEA_API_KEY: "" },
    });
    assert.equal(code, 2, host);
    assert.match(stderr, /^Cannot serve on \S+: expected PANACEA_API_KEY [^\n]+, got none\n$/);
  }
  const env = { PANACEA_API_KEY: "sk-test" };
  await using server = await startServerProcess(folder.path, ["--host", "0.0.0.0"], { env });
  const url = server.url.replace("0.0.0.0", "127.0.0.1");
  const unknown = await fetch(`${url}/adapters`);
  assert.equal(unknown.status, 401);
  await unknown.body?.cancel();
  assert.deepEqual(
    await ask(`${url}/adapters`, { headers: { authorization: "Bearer sk-test" } }),
    [],
  );
  assert.doesNotMatch(Object.values(server.output()).join(), /sk-test/);
});

Deno.test("serve refuses a port in use, a wrong flag and a folder in use in one sentence each", async () => {
  await using folder = await temporaryFolder();
  await using other = await temporaryFolder();
  await using server = await startServerProcess(folder.path);
  const port = new URL(server.url).port;
  const cases: [string[], number, RegExp][] = [
    [["--port", port, "--runs", other.path], 2, /^Cannot listen on 127\.0\.0\.1:\d+: [^\n]+\n$/],
    [
      ["--prot", "1"],
      2,
      /^Cannot run serve: expected a known flag, got --prot \(nearest: --port\)\n$/,
    ],
    [
      ["--port", "70000"],
      2,
      /^Cannot use --port: expected a whole number from 0 to 65535[^\n]+\n$/,
    ],
    [
      ["--port", "0", "--runs", folder.path],
      3,
      /^Cannot lock [^\n]+ held by process \d+ [^\n]+\n$/,
    ],
  ];
  for (const [args, code, message] of cases) {
    const finished = await runMain(["serve", ...args]);
    assert.equal(finished.code, code, finished.stderr);
    assert.match(finished.stderr, message);
    assert.equal(finished.stdout, "");
  }
});

Deno.test("a server that is killed goes on with its jobs when it is started again", async () => {
  await using folder = await temporaryFolder();
  let id: string;
  {
    await using server = await startServerProcess(folder.path);
    const settings = { max_steps: 30, save_steps: 5 };
    ({ id } = await post<Job>(`${server.url}/runs`, smallRun("a", settings)));
    await watch(server.url, id, ({ event }) => event.type === "checkpoint");
    server.kill("SIGKILL");
    await server.code;
  }
  await using server = await startServerProcess(folder.path);
  assert.equal((await finished(server.url, id)).state, "done");
  const steps = (await watch(server.url, id)).flatMap(({ event }) =>
    event.type === "step" ? [event.step] : []
  );
  assert.equal(steps.at(-1), 30);
  // It went on from a checkpoint: not every step was made again.
  assert.ok(steps.length < 60, `${steps.length} steps`);
});

/** Addresses that a process listens on, from its sockets in /proc/net/tcp and tcp6. */
async function listeningAddresses(pid: number): Promise<string[]> {
  const sockets = new Set<string>();
  for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
    const target = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "");
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined) sockets.add(inode);
  }
  const found: string[] = [];
  for (const table of ["tcp", "tcp6"]) {
    const text = await Deno.readTextFile(`/proc/${pid}/net/${table}`).catch(() => "");
    for (const line of text.trim().split("\n").slice(1)) {
      const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      if (state !== "0A" || !sockets.has(inode)) continue; // 0A: listening
      const bytes = local.slice(0, local.indexOf(":")).match(/../g) ?? [];
      found.push(
        bytes.length === 4
          ? bytes.reverse().map((byte) => parseInt(byte, 16)).join(".")
          : bytes.join(""),
      );
    }
  }
  return found;
}
