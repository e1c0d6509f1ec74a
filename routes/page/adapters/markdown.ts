// The Markdown of a model card as blocks, for card.tsx to draw: headings, paragraphs, lists, tables
// and code, which is what workers/model_card writes. HTML has no meaning here and stays text;
// pictures give their description; anything unknown stays a paragraph.

/** A run of text within a line. */
export type Inline =
  | { type: "text" | "code" | "strong" | "emphasis"; text: string }
  | { type: "link"; text: string; href: string };

export type Block =
  | { type: "heading"; level: number; content: Inline[] }
  | { type: "paragraph"; content: Inline[] }
  | { type: "list"; ordered: boolean; items: Inline[][] }
  | { type: "table"; head: Inline[][]; rows: Inline[][][] }
  | { type: "code"; text: string };

const FENCE = /^\s*(```|~~~)/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const ITEM = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/;
const DIVIDER = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

/** The blocks of a card; the metadata between `---` at its start is left out. */
export function parseMarkdown(text: string): Block[] {
  const lines = text.replace(/^---\r?\n[\s\S]*?\r?\n---\r?(\n|$)/, "").split(/\r?\n/);
  const blocks: Block[] = [];
  for (let i = 0; i < lines.length;) {
    const taken = takeBlock(lines, i);
    if (taken.block !== null) blocks.push(taken.block);
    i = taken.next;
  }
  return blocks;
}

/** Text with `code`, **strong**, *emphasis* and [links](https://…) in it. */
export function parseInline(text: string): Inline[] {
  const pattern =
    /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|!\[([^\]]*)\]\([^)\s]*\)|\[([^\]]+)\]\(([^)\s]+)\)/g;
  const parts: Inline[] = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    const [whole, code, strong, emphasis, picture, label, href] = match;
    if (match.index > end) parts.push({ type: "text", text: text.slice(end, match.index) });
    end = match.index + whole.length;
    if (code !== undefined) parts.push({ type: "code", text: code });
    else if (strong !== undefined) parts.push({ type: "strong", text: strong });
    else if (emphasis !== undefined) parts.push({ type: "emphasis", text: emphasis });
    else if (label !== undefined && /^https?:\/\//i.test(href ?? "")) {
      parts.push({ type: "link", text: label, href: href ?? "" });
    } else if (label !== undefined) parts.push({ type: "text", text: label });
    else if (picture !== undefined) parts.push({ type: "text", text: "" });
  }
  if (end < text.length) parts.push({ type: "text", text: text.slice(end) });
  return parts.filter((part) => part.text !== "");
}

function takeBlock(lines: string[], start: number): { block: Block | null; next: number } {
  const line = lines[start] ?? "";
  if (line.trim() === "") return { block: null, next: start + 1 };
  if (FENCE.test(line)) return takeCode(lines, start);
  const heading = HEADING.exec(line);
  if (heading) {
    const [, marks = "", text = ""] = heading;
    const block = { type: "heading", level: marks.length, content: parseInline(text) } as const;
    return { block, next: start + 1 };
  }
  if (line.includes("|") && DIVIDER.test(lines[start + 1] ?? "")) return takeTable(lines, start);
  if (ITEM.test(line)) return takeList(lines, start);
  return takeParagraph(lines, start);
}

function takeCode(lines: string[], start: number): { block: Block; next: number } {
  let end = start + 1;
  while (end < lines.length && !FENCE.test(lines[end] ?? "")) end++;
  return {
    block: { type: "code", text: lines.slice(start + 1, end).join("\n") },
    next: end + 1,
  };
}

function takeTable(lines: string[], start: number): { block: Block; next: number } {
  let end = start + 2;
  while (end < lines.length && (lines[end] ?? "").includes("|")) end++;
  const rows = lines.slice(start + 2, end).map(cellsOf);
  return { block: { type: "table", head: cellsOf(lines[start] ?? ""), rows }, next: end };
}

function cellsOf(line: string): Inline[][] {
  return line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => parseInline(cell.trim()));
}

function takeList(lines: string[], start: number): { block: Block; next: number } {
  const items: string[] = [];
  let end = start;
  for (; end < lines.length; end++) {
    const line = lines[end] ?? "";
    const item = ITEM.exec(line);
    if (item) items.push(item[2] ?? "");
    else if (/^\s+\S/.test(line)) items.push(`${items.pop() ?? ""} ${line.trim()}`);
    else break;
  }
  const ordered = ITEM.exec(lines[start] ?? "")?.[1] !== undefined;
  return { block: { type: "list", ordered, items: items.map(parseInline) }, next: end };
}

function takeParagraph(lines: string[], start: number): { block: Block | null; next: number } {
  let end = start + 1;
  for (; end < lines.length; end++) {
    const line = lines[end] ?? "";
    if (line.trim() === "" || FENCE.test(line) || HEADING.test(line) || ITEM.test(line)) break;
  }
  const content = parseInline(lines.slice(start, end).map((line) => line.trim()).join(" "));
  return { block: content.length === 0 ? null : { type: "paragraph", content }, next: end };
}
