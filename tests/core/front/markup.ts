// Whether markup that the project writes can be read by any parser.
import assert from "node:assert/strict";

/** Tags open and close in pairs, and no text holds a bare < or &. */
export function assertWellFormed(markup: string): void {
  const open: string[] = [];
  for (
    const [, closing, name = "", selfClosing] of markup.matchAll(/<(\/?)([\w:]+)[^>]*?(\/?)>/g)
  ) {
    if (closing) assert.equal(open.pop(), name);
    else if (!selfClosing) open.push(name);
  }
  assert.deepEqual(open, []);
  const text = markup.replaceAll(/<[^>]*>/g, "");
  assert.doesNotMatch(text, /<|&(?!(amp|lt|gt|quot|#\d+);)/);
}
