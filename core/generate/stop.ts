// Stop strings: an answer ends where one of them begins, wherever tokens begin and end. Text that
// may turn out to be the beginning of one is held back. Last station of a piece of text before the
// batcher hands it out.

/** What may be shown of the text so far, and whether a stop string has come. */
export interface Checked {
  text: string;
  stopped: boolean;
}

/** Searches the text of one answer, piece by piece. */
export interface StopSearch {
  /** The text that is certain to come before any stop string, after one more piece. */
  push(piece: string): Checked;
  /** The text still held back, when nothing follows. */
  end(): string;
}

/** `stops`: strings of at least one character. The earliest stop string ends the text. */
export function createStopSearch(stops: string[]): StopSearch {
  let held = "";
  return {
    push(piece) {
      held += piece;
      const starts = stops.map((stop) => held.indexOf(stop)).filter((at) => at >= 0);
      if (starts.length > 0) {
        const text = held.slice(0, Math.min(...starts));
        held = "";
        return { text, stopped: true };
      }
      const keep = Math.max(0, ...stops.map((stop) => overlap(held, stop)));
      const text = held.slice(0, held.length - keep);
      held = held.slice(text.length);
      return { text, stopped: false };
    },
    end() {
      const text = held;
      held = "";
      return text;
    },
  };
}

/** Length of the longest end of `text` that `stop` begins with, shorter than `stop`. */
function overlap(text: string, stop: string): number {
  let length = Math.min(text.length, stop.length - 1);
  while (length > 0 && !text.endsWith(stop.slice(0, length))) length--;
  return length;
}
