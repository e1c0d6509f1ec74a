// Sequences laid into rows of one fixed length, several to a row, so that almost no padding is
// computed and every step has the same shapes. Attention stays inside a sequence (segments), and
// positions start anew with each. Between core/text/pairs and the policy's forward pass.

/** Prompt and response token ids; the response ends with its end token. */
export interface Sequence {
  prompt: Int32Array;
  response: Int32Array;
}

/** B rows of T tokens. All arrays are row-major; flat index = row · T + position. */
export interface Pack {
  rows: number; // B
  length: number; // T
  ids: Int32Array; // (B, T), 0 where empty
  positions: Int32Array; // (B, T), from 0 within each sequence
  segments: Int32Array; // (B, T), 0 where empty, else 1 + index of the sequence in the input
  predicting: Int32Array; // (N) flat indices whose next token is a response token
  targets: Int32Array; // (N) that next token
  owners: Int32Array; // (N) index of the sequence in the input
}

/**
 * Packs `sequences` into rows of `rowLength` tokens by first fit, longest first, and the rows into
 * packs of at most `maxTokens` tokens (one row at least). Throws RangeError for a sequence longer
 * than a row or without prompt or response.
 */
export function packSequences(
  sequences: Sequence[],
  { rowLength, maxTokens }: { rowLength: number; maxTokens: number },
): Pack[] {
  const rows = fillRows(sequences, rowLength);
  const rowsPerPack = Math.max(1, Math.floor(maxTokens / rowLength));
  const packs: Pack[] = [];
  for (let start = 0; start < rows.length; start += rowsPerPack) {
    packs.push(layOut(sequences, rows.slice(start, start + rowsPerPack), rowLength));
  }
  return packs;
}

/** Length of the longest sequence, rounded up to a multiple of 32: the row length of a data set. */
export function rowLengthFor(sequences: Iterable<Sequence>): number {
  let longest = 1;
  for (const sequence of sequences) longest = Math.max(longest, lengthOf(sequence));
  return Math.ceil(longest / 32) * 32;
}

function fillRows(sequences: Sequence[], rowLength: number): number[][] {
  const order = sequences.map((_, i) => i);
  const lengths = sequences.map(lengthOf);
  order.sort((a, b) => at(lengths, b) - at(lengths, a) || a - b);
  const rows: { members: number[]; room: number }[] = [];
  for (const i of order) {
    const length = at(lengths, i);
    if (length > rowLength) {
      throw new RangeError(
        `Cannot pack sequence ${i}: expected at most ${rowLength} tokens, got ${length}`,
      );
    }
    let row = rows.find(({ room }) => room >= length);
    if (row === undefined) rows.push(row = { members: [], room: rowLength });
    row.members.push(i);
    row.room -= length;
  }
  return rows.map(({ members }) => members);
}

function layOut(sequences: Sequence[], members: number[][], length: number): Pack {
  const rows = members.length;
  const ids = new Int32Array(rows * length);
  const positions = new Int32Array(rows * length);
  const segments = new Int32Array(rows * length);
  const predicting: number[] = [];
  const targets: number[] = [];
  const owners: number[] = [];
  members.forEach((row, r) => {
    let at = r * length;
    for (const index of row) {
      const sequence = sequences[index];
      if (sequence === undefined) {
        throw new RangeError(`Cannot pack: there is no sequence ${index}`);
      }
      const { prompt, response } = sequence;
      if (prompt.length === 0 || response.length === 0) {
        throw new RangeError(`Cannot pack sequence ${index}: expected a prompt and a response`);
      }
      const total = prompt.length + response.length;
      ids.set(prompt, at);
      ids.set(response, at + prompt.length);
      for (let t = 0; t < total; t++) positions[at + t] = t;
      segments.fill(index + 1, at, at + total);
      response.forEach((token, t) => {
        predicting.push(at + prompt.length - 1 + t);
        targets.push(token);
        owners.push(index);
      });
      at += total;
    }
  });
  return {
    rows,
    length,
    ids,
    positions,
    segments,
    predicting: Int32Array.from(predicting),
    targets: Int32Array.from(targets),
    owners: Int32Array.from(owners),
  };
}

function lengthOf({ prompt, response }: Sequence): number {
  return prompt.length + response.length;
}

function at(values: number[], i: number): number {
  return values[i] ?? 0;
}
