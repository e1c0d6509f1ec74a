import assert from "node:assert/strict";
import { doctorText } from "../../commands/doctor.ts";
import { measureFormats } from "../../workers/weight_formats.ts";

Deno.test("measureFormats() compares the formats of a model, and doctor prints them", async () => {
  const cache = await Deno.makeTempDir();
  try {
    const formats = await measureFormats({ model: "builtin", threads: 1 }, {
      env: (name) => name === "XDG_CACHE_HOME" ? cache : undefined,
      signal: new AbortController().signal,
      onEvent: () => {},
    });
    assert.deepEqual(formats.map(({ format }) => format), ["float32", "int8", "int4"]);
    const [exact, int8, int4] = formats;
    assert(exact && int8?.error && int4?.error);
    assert.equal(exact.error, null);
    assert(int8.bytes < exact.bytes / 2 && int4.bytes < int8.bytes);
    assert(int8.error.tokens > 50 && int8.error.mean > 0);
    assert(int8.error.divergence < int4.error.divergence);
    const report = { engine: "wasm", version: "1", devices: [], gflops: 1, found: [], advice: [] };
    const text = doctorText({ ...report, formats });
    assert.match(text, /Weight formats over \d+ tokens\n {2}float32 .* ms a token\n {2}int8 /);
    assert.doesNotMatch(doctorText(report), /formats/);
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});
