// Answers on their way to the terminal: one as it comes; several side by side where the terminal is
// wide enough, otherwise one after the other under their labels.
import type { Stream } from "./output.ts";

/** Takes the pieces of several answers and writes them. */
export interface AnswerWriter {
  /** A piece of answer `index`. */
  text(index: number, piece: string): void;
  /** Answer `index` is over; after the last one everything is written. */
  end(index: number): void;
}

const LEAST_COLUMN = 30; // characters
const GAP = "  ";

/** A writer for as many answers as there are labels. */
export function createAnswerWriter(stream: Stream, labels: string[]): AnswerWriter {
  const clean = stream.isTTY ? withoutControls : (text: string) => text;
  if (labels.length === 1) return plainWriter(stream, clean);
  const free = stream.columns - GAP.length * (labels.length - 1);
  const width = Math.floor(free / labels.length);
  return stream.isTTY && width >= LEAST_COLUMN
    ? columnWriter(stream, { labels, width })
    : sectionWriter(stream, { labels, clean });
}

function plainWriter(stream: Stream, clean: (text: string) => string): AnswerWriter {
  return {
    text: (_, piece) => stream.write(clean(piece)),
    end: () => stream.write("\n"),
  };
}

/** The first answer as it comes; the others meanwhile wait, each for those before it. */
function sectionWriter(
  stream: Stream,
  { labels, clean }: { labels: string[]; clean: (text: string) => string },
): AnswerWriter {
  const waiting = labels.map((label) => `${label}\n`);
  const over = labels.map(() => false);
  let shown = 0;
  function write(): void {
    for (; shown < labels.length; shown++) {
      stream.write(waiting[shown] ?? "");
      waiting[shown] = "";
      if (!over[shown]) return;
      stream.write(shown < labels.length - 1 ? "\n\n" : "\n");
    }
  }
  return {
    text(index, piece) {
      waiting[index] += clean(piece);
      write();
    },
    end(index) {
      over[index] = true;
      write();
    },
  };
}

/** Line by line: a row is written once every answer has its line of it, so nothing is redrawn. */
function columnWriter(
  stream: Stream,
  { labels, width }: { labels: string[]; width: number },
): AnswerWriter {
  const columns = labels.map((label) => {
    const column = createColumn(width);
    column.add(`${label}\n${"─".repeat(width)}\n`);
    return column;
  });
  let row = 0;
  function write(): void {
    for (; columns.some(({ lines }) => row < lines.length); row++) {
      if (columns.some(({ lines, over }) => !over && row >= lines.length)) return;
      const cells = columns.map(({ lines }) => pad(lines[row] ?? "", width));
      stream.write(`${cells.join(GAP).trimEnd()}\n`);
    }
  }
  return {
    text(index, piece) {
      columns[index]?.add(withoutControls(piece));
      write();
    },
    end(index) {
      columns[index]?.end();
      write();
    },
  };
}

/** Text broken into lines of a width, at blanks where there are any. */
function createColumn(width: number) {
  let rest = "";
  const column = {
    lines: [] as string[], // those that nothing can be added to
    over: false,
    add(text: string) {
      rest += text.replaceAll("\t", "    ");
      for (let line = firstLine(rest, width); line !== null; line = firstLine(rest, width)) {
        column.lines.push(line.text);
        rest = rest.slice(line.length);
      }
    },
    end() {
      if (rest !== "") column.lines.push(rest);
      column.over = true;
    },
  };
  return column;
}

/** The first line of a text and how many characters it takes; null while it may go on. */
function firstLine(text: string, width: number): { text: string; length: number } | null {
  let used = 0;
  let end = 0;
  let blank = -1;
  for (const character of text) {
    if (character === "\n") return { text: text.slice(0, end), length: end + 1 };
    used += cells(character);
    if (used > width) {
      if (character === " ") return { text: text.slice(0, end), length: end + 1 };
      if (blank < 0) return { text: text.slice(0, end), length: end };
      return { text: text.slice(0, blank), length: blank + 1 };
    }
    if (character === " ") blank = end;
    end += character.length;
  }
  return null;
}

function pad(text: string, width: number): string {
  const used = [...text].reduce((sum, character) => sum + cells(character), 0);
  return text + " ".repeat(Math.max(0, width - used));
}

/** How many places of a terminal a character takes. */
function cells(character: string): number {
  if (/^[\p{M}\u200d\ufe0f]/u.test(character)) return 0;
  return /^[\p{Emoji_Presentation}\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\uff01-\uff60]/u
      .test(character)
    ? 2
    : 1;
}

/** Without what a terminal would obey instead of show: a model may write anything. */
export function withoutControls(text: string): string {
  // deno-lint-ignore no-control-regex -- they are what is looked for
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "");
}
