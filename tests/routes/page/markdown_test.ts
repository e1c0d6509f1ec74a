import assert from "node:assert/strict";
import fc from "fast-check";
import { parseInline, parseMarkdown } from "../../../routes/page/adapters/markdown.ts";

const text = (content: string) => [{ type: "text", text: content }];

Deno.test("a card becomes headings, paragraphs, lists, tables and code, without its metadata", () => {
  const card = [
    "---",
    'base_model: "builtin"',
    "---",
    "",
    "# Title",
    "One line",
    "and another.",
    "",
    "- first",
    "  goes on",
    "- second",
    "",
    "| λ | value |",
    "| --- | ---: |",
    "| 0.5 | 1 |",
    "",
    "```sh",
    "# not a heading",
    "```",
  ].join("\n");
  assert.deepEqual(parseMarkdown(card), [
    { type: "heading", level: 1, content: text("Title") },
    { type: "paragraph", content: text("One line and another.") },
    { type: "list", ordered: false, items: [text("first goes on"), text("second")] },
    { type: "table", head: [text("λ"), text("value")], rows: [[text("0.5"), text("1")]] },
    { type: "code", text: "# not a heading" },
  ]);
});

Deno.test("HTML stays text", () => {
  assert.deepEqual(parseMarkdown("<img src=x onerror=alert(1)>"), [
    { type: "paragraph", content: text("<img src=x onerror=alert(1)>") },
  ]);
});

Deno.test("only http and https become links; pictures are left out", () => {
  assert.deepEqual(parseInline("see [docs](https://example.org/a) and `x`"), [
    { type: "text", text: "see " },
    { type: "link", text: "docs", href: "https://example.org/a" },
    { type: "text", text: " and " },
    { type: "code", text: "x" },
  ]);
  for (
    const href of ["javascript:alert`1`", "data:text/html,x", "//evil", "/front", "vbscript:x"]
  ) {
    assert.deepEqual(parseInline(`[docs](${href})`), text("docs"), href);
  }
  assert.deepEqual(parseInline("![front](fronts/final.svg)"), []);
});

Deno.test("any text is read, in time, and no link leads anywhere but to the web", () => {
  const pieces = fc.constantFrom(
    "|",
    "-",
    "`",
    "*",
    "#",
    "[a](",
    ")",
    "\n",
    " ",
    "```",
    "---",
    "x",
  );
  fc.assert(fc.property(fc.array(pieces, { maxLength: 400 }), (parts) => {
    const blocks = parseMarkdown(parts.join(""));
    for (const match of JSON.stringify(blocks).matchAll(/"href":"([^"]*)"/g)) {
      assert.match(match[1] ?? "", /^https?:/);
    }
  }));
  const start = performance.now();
  for (const part of ["|", "-", "`", "*", "#", " ", "[", "|-", " - ", "1. "]) {
    parseMarkdown(`x|y\n${part.repeat(20_000)}`);
  }
  assert.ok(performance.now() - start < 5000, "a long line takes too long");
});
