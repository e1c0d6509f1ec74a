import assert from "node:assert/strict";
import { pageFiles } from "../../browser/bundle.ts";

const MOST_BYTES = 150_000; // with a schema library in it, the script alone is three times that

Deno.test("`deno task page` makes a page that is small and needs nothing else", async () => {
  const files = await pageFiles();
  const decoder = new TextDecoder();
  const textOf = (path: string) => decoder.decode(files[path]?.bytes);
  for (const path of ["/", "/app.js", "/app.css", "/favicon.svg"]) {
    assert.ok((files[path]?.bytes.length ?? 0) > 0, `${path} is missing`);
  }
  assert.ok((files["/app.js"]?.bytes.length ?? 0) < MOST_BYTES, "the script has grown");
  const references = [...textOf("/").matchAll(/\b(?:src|href)="([^"]*)"/g)].map(([, url]) => url);
  assert.deepEqual(references.sort(), ["/app.css", "/app.js", "/docs", "/favicon.svg"]);
  assert.doesNotMatch(textOf("/app.css"), /@import|url\(/);
  assert.doesNotMatch(textOf("/app.js"), /\bimport\s*["'(]|\bfrom\s*["']/);
  // Attributes and blocks that a policy without 'unsafe-inline' would refuse.
  assert.doesNotMatch(textOf("/"), /\s(?:style|on\w+)=|<style|<script>/);
});
