import assert from "node:assert/strict";
import { flagsOf } from "../../commands/flags.ts";
import { isLoopback, ServeConfig } from "../../workers/serve_config.ts";

Deno.test("a server listens on the loopback address unless it is told otherwise", () => {
  const { host, port } = ServeConfig.parse({});
  assert.equal(host, "127.0.0.1");
  assert.equal(port, 8000);
});

Deno.test("every setting is a flag with a description, and none is the API key", () => {
  for (const { name, description } of flagsOf(ServeConfig)) {
    assert.ok(description.length > 10, name);
    assert.doesNotMatch(name, /key|token|secret/);
  }
});

Deno.test("isLoopback() holds for addresses of this machine alone", () => {
  for (const host of ["127.0.0.1", "127.255.0.9", "localhost", "::1", "[::1]"]) {
    assert.ok(isLoopback(host), host);
  }
  const others = ["0.0.0.0", "::", "127.0.0.256", "127.1", "127.0.0.1.example.org", "localhost."];
  for (const host of [...others, "", "10.0.0.1", "128.0.0.1", "::ffff:127.0.0.1"]) {
    assert.ok(!isLoopback(host), host);
  }
});
