// Text into HTML and SVG: everything that a model, a file name or a flag says goes through here, so
// that none of it becomes markup.

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** The text with everything escaped that ends a text or an attribute; control characters go. */
export function escaped(text: string): string {
  // deno-lint-ignore no-control-regex
  const printable = text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "");
  return printable.replaceAll(/[&<>"']/g, (letter) => ENTITIES[letter] ?? "");
}
