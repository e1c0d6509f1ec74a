// Bar 4: the server speaks to nobody but its clients. It starts and serves without any network, and
// what requests name never makes it connect to another address.
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Job } from "../../data/store/job.ts";
import { startServerProcess } from "../commands/server_process.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { ask, finished, post, smallRun } from "../workers/serving.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

const noUnshare = await whyNot("unshare", ["--net", "ip", "link", "set", "lo", "up"]);
const noStrace = await whyNot("strace", ["-f", "-e", "trace=connect", "true"]);

Deno.test({
  name: `without any network a server starts, trains, draws a front and chats${skipped(noUnshare)}`,
  ignore: noUnshare !== null,
  async fn() {
    await using folder = await temporaryFolder();
    const script = 'ip link set lo up && exec "$@"';
    const child = [Deno.execPath(), "run", "--no-check", "-A", "tests/bars/04_offline_child.ts"];
    const { code, stderr } = await new Deno.Command("unshare", {
      args: ["--net", "sh", "-c", script, "sh", ...child, join(folder.path, "runs")],
      cwd: root,
      env: {
        LIBTENSORFLOW_DIR: "",
        XDG_CACHE_HOME: join(folder.path, "cache"),
        DENO_DIR: await denoFolder(),
        NO_COLOR: "1",
      },
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  },
});

Deno.test({
  name: `a run, a front, a chat and 30 addresses in requests make no connection${
    skipped(noStrace)
  }`,
  ignore: noStrace !== null,
  async fn() {
    await using folder = await temporaryFolder();
    const trace = join(folder.path, "trace");
    const calls = "trace=connect,sendto,sendmsg,sendmmsg";
    await using server = await startServerProcess(join(folder.path, "runs"), [], {
      // -D: the process started is the server's own, so that signals reach it.
      through: ["strace", "-D", "-f", "-q", "-e", calls, "-o", trace],
    });
    const { url } = server;
    const settings = { engine: "wasm" as const };
    await finished(url, (await post<Job>(`${url}/runs`, smallRun("a", settings))).id);
    await ask(`${url}/front?adapter=a&grid=3&bootstrap=10`);
    await ask(`${url}/chat?adapter=a&message=hello&max_tokens=8`);
    let refused = 0;
    for (const address of addresses) {
      for (const field of ["model_name_or_path", "dataset", "eval_dataset", "revision", "preset"]) {
        const run = { name: "b", model_name_or_path: "builtin", dataset: "builtin" };
        refused += Number(await isRefused(`${url}/runs`, { ...run, [field]: address }));
      }
      const messages = [{ role: "user", content: address }];
      refused += Number(await isRefused(`${url}/runs`, { name: address }));
      refused += Number(
        await isRefused(`${url}/chat?adapter=${encodeURIComponent(address)}`, { messages }),
      );
      refused += Number(
        await isRefused(`${url}/v1/chat/completions`, { model: address, messages }),
      );
    }
    assert.equal(refused, 8 * addresses.length);
    server.kill("SIGTERM");
    assert.equal(await server.code, 0);
    const last = new RegExp(`^${server.pid} .*(exited with|killed by)`, "m");
    let traced = "";
    while (!last.test(traced)) traced = await Deno.readTextFile(trace); // strace is a moment behind
    const spoken = traced.split("\n").filter((line) => line.includes("sa_family=AF_INET"));
    const foreign = spoken.filter((line) =>
      !/sin_addr=inet_addr\("127\./.test(line) && !/inet_pton\(AF_INET6, "::1"/.test(line)
    );
    assert.deepEqual(foreign, []);
  },
});

Deno.test({
  name: `the trace shows a connection where one is made${skipped(noStrace)}`,
  ignore: noStrace !== null,
  async fn() {
    await using folder = await temporaryFolder();
    const trace = join(folder.path, "trace");
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const code = `(await Deno.connect({ port: ${listener.addr.port} })).close()`;
    await new Deno.Command("strace", {
      args: ["-f", "-qq", "-e", "trace=connect", "-o", trace, Deno.execPath(), "eval", code],
    }).output();
    assert.match(await Deno.readTextFile(trace), /connect\(.*sa_family=AF_INET.*127\.0\.0\.1/);
  },
});

/** Whether a request is answered with a refusal of the client's error. */
async function isRefused(url: string, body: unknown): Promise<boolean> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  assert.ok(response.status >= 400 && response.status < 500, `${response.status} ${url} ${text}`);
  return true;
}

/** Things that a careless server would fetch. */
const addresses = [
  "http://192.0.2.1/x",
  "https://192.0.2.1/x.jsonl",
  "HTTP://192.0.2.1/",
  "http://192.0.2.1:8080/model.safetensors",
  "http://[2001:db8::1]/",
  "http://3221225985/",
  "http://0xc0000201/",
  "http://user:password@192.0.2.1/",
  "http://192.0.2.1#@localhost/",
  "http://localhost@192.0.2.1/",
  "//192.0.2.1/share",
  "\\\\192.0.2.1\\share",
  "ftp://192.0.2.1/x",
  "file://192.0.2.1/etc/passwd",
  "file:///etc/passwd",
  "gopher://192.0.2.1/_x",
  "dict://192.0.2.1:11211/stats",
  "ldap://192.0.2.1/x",
  "sftp://192.0.2.1/x",
  "tftp://192.0.2.1/x",
  "s3://bucket/x",
  "gs://bucket/x",
  "hf://owner/name",
  "data:text/plain,x",
  "javascript:fetch('http://192.0.2.1')",
  "blob:http://192.0.2.1/x",
  "ws://192.0.2.1/",
  "http://192.0.2.1/a+http://192.0.2.2/b",
  "helpful=http://192.0.2.1/a,harmless=http://192.0.2.1/b",
  "jar:http://192.0.2.1/x!/y",
];

/** Where Deno keeps its packages, whatever the environment of the child says. */
async function denoFolder(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

/** Why a program cannot be used here, in one line; null where it can. */
async function whyNot(program: string, args: string[]): Promise<string | null> {
  try {
    const { code, stderr } = await new Deno.Command(program, { args }).output();
    if (code === 0) return null;
    return new TextDecoder().decode(stderr).trim().split("\n")[0] ?? `${program} failed`;
  } catch {
    return `${program} is not installed`;
  }
}

function skipped(reason: string | null): string {
  return reason === null ? "" : `: skipped, ${reason}`;
}
