// Token ids to text while they are generated. A token may end inside a character, and a tokenizer
// may write a token in another way at the beginning of a text, so tokens are decoded together with
// some before them (as transformers' TextStreamer and vLLM do), and an unfinished character waits
// for its rest. Stands between the batcher's tokens and stop.ts.

/** Text of one answer, piece by piece. */
export interface TextStream {
  /** The text that one more token makes certain; may be empty. */
  push(id: number): string;
  /** The text still held back: of a character that was never finished, U+FFFD. */
  end(): string;
}

/**
 * The pieces, put together, are `decode` of all ids that are not in `hidden`.
 * `decode` must spell each token the same whatever tokens follow it.
 */
export function createTextStream(
  decode: (ids: number[]) => string,
  { hidden }: { hidden: ReadonlySet<number> },
): TextStream {
  let window: number[] = []; // the ids of the last piece, then those not told yet
  let told = 0; // ids of the window whose text is told
  let toldText = 0; // characters of the window's text that are told

  function tell(text: string): string {
    const piece = text.slice(toldText);
    toldText += piece.length;
    return piece;
  }

  return {
    push(id) {
      if (hidden.has(id)) return "";
      window.push(id);
      const text = decode(window);
      if (text.endsWith(unfinished)) return tell(text.slice(0, -unfinished.length));
      const piece = tell(text);
      if (piece !== "") {
        window = window.slice(told);
        told = window.length;
        toldText = decode(window).length;
      }
      return piece;
    },
    end: () => tell(decode(window)),
  };
}

/** What the bytes of a character that lacks its end are decoded to, all together. */
const unfinished = "\ufffd";
