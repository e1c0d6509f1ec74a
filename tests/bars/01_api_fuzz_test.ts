// Bar 1: PyPI schemathesis reads /openapi.json and makes requests that fit it, that almost fit it and
// that follow each other; all its checks hold, nothing fails inside, and no answer tells where on
// this machine anything lies.
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { memoryService } from "../routes/memory_service.ts";
import { startWebServer } from "../routes/web_server.ts";

const CASES = 200; // per operation
const KEY = "fuzzed-key";

const peers = Deno.env.get("PANACEA_PEERS") ?? "";
const schemathesis = join(dirname(peers), "schemathesis");
const found = peers !== "" && await Deno.stat(schemathesis).then(() => true, () => false);

/** What a body must not hold: folders of a machine, addresses of our modules, frames of a stack. */
const LEAKS = /\/(?:home|root|usr|tmp|opt|work|var)\/|node_modules|file:\/\/|\.ts:\d+|^\s+at /m;

Deno.test({
  name: `schemathesis finds nothing wrong in ${CASES} cases per operation` +
    (found ? "" : " (skipped: no schemathesis beside PANACEA_PEERS)"),
  ignore: !found,
  async fn() {
    const page = new TextEncoder().encode("<!DOCTYPE html><title>page</title>");
    await using server = await startWebServer({
      service: memoryService({ instant: true }),
      apiKey: KEY,
      files: { "/": { type: "text/html; charset=utf-8", bytes: page } },
    });
    const folder = await Deno.makeTempDir();
    try {
      const report = join(folder, "report.har");
      const { code, stdout } = await new Deno.Command(schemathesis, {
        args: [
          ...["--config-file", fileURLToPath(new URL("01_schemathesis.toml", import.meta.url))],
          ...["run", `${server.url}/openapi.json`, "--checks", "all", "-n", String(CASES)],
          ...["--header", `Authorization: Bearer ${KEY}`, "--seed", "1", "--no-color"],
          ...["--request-timeout", "10", "--report-har-path", report, "--continue-on-failure"],
        ],
        cwd: folder, // it keeps a database of examples beside itself
        stdout: "piped",
        stderr: "piped",
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stdout));
      const answers = readHar(await Deno.readTextFile(report));
      assert.ok(answers.length > 20 * CASES, `only ${answers.length} answers`);
      for (const { url, status, body } of answers) {
        assert.ok(status < 500, `${status} from ${url}`);
        assert.doesNotMatch(body, LEAKS, url);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

function readHar(text: string): { url: string; status: number; body: string }[] {
  const { log } = JSON.parse(text) as {
    log: {
      entries: {
        request: { url: string };
        response: { status: number; content: { text?: string; encoding?: string } };
      }[];
    };
  };
  return log.entries.map(({ request, response: { status, content } }) => ({
    url: request.url,
    status,
    body: content.encoding === "base64" ? atob(content.text ?? "") : content.text ?? "",
  }));
}
