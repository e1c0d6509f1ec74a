// Sequences laid into rows of one fixed length, several to a row, so that little padding is computed
// and steps have few shapes. Responses to one prompt under one preference share the prompt: it is
// computed once, and each response sees it and itself but not the other responses. Positions start
// anew with each prompt and go on in each response from the prompt's end.
// Between core/text/pairs and the policy's forward pass.
import { scoresComputed } from "./query_chunks.ts";

/** Prompt and response token ids; the response ends with its end token. */
export interface Sequence {
  prompt: Int32Array;
  response: Int32Array;
  /** Per response token 1 where it is predicted, 0 where it is only read; all are where missing. */
  learned?: Uint8Array;
}

/** B rows of T tokens. All arrays are row-major; flat index = row · T + position. */
export interface Pack {
  rows: number; // B
  length: number; // T
  ids: Int32Array; // (B, T), 0 where empty
  positions: Int32Array; // (B, T), from 0 within each sequence
  segments: Int32Array; // (B, T), 0 where empty, else 1 + index of (one of) the sequences it is of
  branches: Int32Array; // (B, T), 0 in a prompt, else 1 … n: which response of the segment it is in
  predicting: Int32Array; // (N) flat indices whose next token is a (learned) response token
  targets: Int32Array; // (N) that next token
  owners: Int32Array; // (N) index of the sequence in the input
}

export interface PackOptions {
  rowLength: number; // T
  maxTokens: number; // of one pack, unless a single row is longer
  /** Preference of each sequence: those with the same prompt and preference arrays share a prompt. */
  preferences?: number[][];
}

/** Rows below this length are as long as the data's longest prompt with its responses. */
const SHORT_ROW = 128;
/** Rows are made no longer than this for prompts to be shared and gaps to be filled. */
const LONGEST_ROW = 512;
/** What a score of attention takes beside a token's other work: measured on SmolLM2-135M (docs/log.md). */
const SCORE_COST = 0.0013;
/** Sequences of a run of neighbours, and runs, that a row length is tried on. */
const RUN = 16;
const MOST_RUNS = 64;

/** Responses that are laid side by side behind one prompt. */
type Bundle = number[]; // indices of sequences

/**
 * Packs `sequences` into rows by first fit, longest first, and the rows into packs. Throws
 * RangeError for a sequence longer than a row, without prompt or response, or with another number
 * of marks than response tokens.
 */
export function packSequences(
  sequences: Sequence[],
  { rowLength, maxTokens, preferences }: PackOptions,
): Pack[] {
  sequences.forEach((sequence, i) => checkSequence(sequence, i, rowLength));
  const rows = fillRows(sequences, bundle(sequences, { rowLength, preferences }), rowLength);
  const rowsPerPack = Math.max(1, Math.floor(maxTokens / rowLength));
  const packs: Pack[] = [];
  for (let start = 0; start < rows.length; start += rowsPerPack) {
    packs.push(layOut(sequences, rows.slice(start, start + rowsPerPack), rowLength));
  }
  return packs;
}

/** Response tokens of a sequence that are predicted. */
export function learnedTokens({ response, learned }: Sequence): number {
  return learned === undefined ? response.length : learned.reduce((sum, one) => sum + one, 0);
}

/**
 * Row length for a data set, a multiple of 32 that holds its longest sequence. Short rows hold the
 * longest prompt with all the responses that share it; longer ones are made as long as computes the
 * data in the least time, up to 512 tokens or the `maxTokens` of a pass: longer rows share more prompts
 * and are filled better, but cost more attention.
 */
export function rowLengthFor(sequences: Sequence[], maxTokens: number = LONGEST_ROW): number {
  const one: number[] = []; // as if all were under one preference
  const longestSequence = longest(sequences.map((_, i) => [i]), sequences);
  const preferences = sequences.map(() => one);
  const shared = bundle(sequences, { rowLength: SHORT_ROW, preferences });
  const least = roundedUp(Math.max(longestSequence, longest(shared, sequences)));
  if (least < SHORT_ROW) return least;
  const sample = evenSample(sequences);
  let best = { rowLength: roundedUp(longestSequence), cost: Infinity };
  const most = Math.min(LONGEST_ROW, maxTokens);
  for (let rowLength = best.rowLength; rowLength <= most; rowLength += 32) {
    const bundles = bundle(sample, { rowLength, preferences });
    const rows = fillRows(sample, bundles, rowLength).length;
    const cost = rows * (rowLength + SCORE_COST * scoresComputed(rowLength));
    if (cost < best.cost) best = { rowLength, cost };
  }
  return best.rowLength;
}

function roundedUp(tokens: number): number {
  return Math.ceil(Math.max(1, tokens) / 32) * 32;
}

function longest(bundles: Bundle[], sequences: Sequence[]): number {
  return bundles.reduce((most, members) => Math.max(most, bundleLength(sequences, members)), 0);
}

/** Runs of neighbours, which share prompts, from all over a data set; all of a small one. */
function evenSample(sequences: Sequence[]): Sequence[] {
  const runs = Math.ceil(sequences.length / RUN);
  const step = Math.max(1, runs / MOST_RUNS);
  const starts = Array.from({ length: Math.min(runs, MOST_RUNS) }, (_, i) => Math.floor(i * step));
  return starts.flatMap((run) => sequences.slice(run * RUN, (run + 1) * RUN));
}

/**
 * The rows of a pack dealt out to at most `parts` packs, evenly and in order: their values of
 * `predicting`, one after the other, are those of the whole. `owners` stay what they were.
 */
export function splitPack(pack: Pack, parts: number): Pack[] {
  const used = Math.min(parts, pack.rows);
  const starts = Array.from({ length: used + 1 }, (_, i) => Math.ceil(i * pack.rows / used));
  return starts.slice(1).map((end, i) => rowsOf(pack, { start: starts[i] ?? 0, end }));
}

function rowsOf(pack: Pack, { start, end }: { start: number; end: number }): Pack {
  const [from, to] = [start * pack.length, end * pack.length];
  const firstAfter = (place: number) => {
    const index = pack.predicting.findIndex((position) => position >= place);
    return index < 0 ? pack.predicting.length : index;
  };
  const range = [firstAfter(from), firstAfter(to)] as const;
  return {
    rows: end - start,
    length: pack.length,
    ids: pack.ids.slice(from, to),
    positions: pack.positions.slice(from, to),
    segments: pack.segments.slice(from, to),
    branches: pack.branches.slice(from, to),
    predicting: pack.predicting.slice(...range).map((position) => position - from),
    targets: pack.targets.slice(...range),
    owners: pack.owners.slice(...range),
  };
}

/** Sequences that share prompt and preference, as many to a bundle as fit a row. */
function bundle(
  sequences: Sequence[],
  { rowLength, preferences }: { rowLength: number; preferences: number[][] | undefined },
): Bundle[] {
  if (preferences === undefined) return sequences.map((_, i) => [i]);
  const open = new Map<Int32Array, Map<number[] | undefined, Bundle>>();
  const bundles: Bundle[] = [];
  sequences.forEach(({ prompt, response }, i) => {
    const preference = preferences[i];
    const byPreference = open.get(prompt) ?? new Map<number[] | undefined, Bundle>();
    open.set(prompt, byPreference);
    const current = byPreference.get(preference);
    if (
      current !== undefined && bundleLength(sequences, current) + response.length <= rowLength
    ) {
      current.push(i);
    } else {
      const fresh = [i];
      bundles.push(fresh);
      byPreference.set(preference, fresh);
    }
  });
  return bundles;
}

function fillRows(sequences: Sequence[], bundles: Bundle[], rowLength: number): Bundle[][] {
  const sized = bundles.map((members) => ({ members, length: bundleLength(sequences, members) }));
  sized.sort((a, b) => b.length - a.length || (a.members[0] ?? 0) - (b.members[0] ?? 0));
  const rows: { bundles: Bundle[]; room: number }[] = [];
  for (const { members, length } of sized) {
    let row = rows.find(({ room }) => room >= length);
    if (row === undefined) rows.push(row = { bundles: [], room: rowLength });
    row.bundles.push(members);
    row.room -= length;
  }
  return rows.map(({ bundles }) => bundles);
}

function layOut(sequences: Sequence[], members: Bundle[][], length: number): Pack {
  const rows = members.length;
  const grid = () => new Int32Array(rows * length);
  const [ids, positions, segments, branches] = [grid(), grid(), grid(), grid()];
  const predicting: number[] = [];
  const targets: number[] = [];
  const owners: number[] = [];

  function write(
    tokens: Int32Array,
    place: { at: number; position: number; segment: number; branch: number },
  ) {
    const { at, position, segment, branch } = place;
    ids.set(tokens, at);
    for (let t = 0; t < tokens.length; t++) positions[at + t] = position + t;
    segments.fill(segment, at, at + tokens.length);
    branches.fill(branch, at, at + tokens.length);
  }

  members.forEach((row, r) => {
    let at = r * length;
    for (const bundle of row) {
      const segment = 1 + (bundle[0] ?? 0);
      const prompt = sequences[bundle[0] ?? 0]?.prompt ?? new Int32Array();
      write(prompt, { at, position: 0, segment, branch: 0 });
      const lastOfPrompt = at + prompt.length - 1;
      at += prompt.length;
      bundle.forEach((index, b) => {
        const response = sequences[index]?.response ?? new Int32Array();
        write(response, { at, position: prompt.length, segment, branch: b + 1 });
        const learned = sequences[index]?.learned;
        response.forEach((token, t) => {
          if (learned?.[t] === 0) return;
          predicting.push(t === 0 ? lastOfPrompt : at + t - 1);
          targets.push(token);
          owners.push(index);
        });
        at += response.length;
      });
    }
  });
  return {
    rows,
    length,
    ids,
    positions,
    segments,
    branches,
    predicting: Int32Array.from(predicting),
    targets: Int32Array.from(targets),
    owners: Int32Array.from(owners),
  };
}

function bundleLength(sequences: Sequence[], members: Bundle): number {
  const prompt = sequences[members[0] ?? 0]?.prompt.length ?? 0;
  return members.reduce((sum, i) => sum + (sequences[i]?.response.length ?? 0), prompt);
}

function checkSequence(sequence: Sequence, index: number, rowLength: number): void {
  const { prompt, response, learned } = sequence;
  if (prompt.length === 0 || response.length === 0) {
    throw new RangeError(`Cannot pack sequence ${index}: expected a prompt and a response`);
  }
  if (learned !== undefined && learned.length !== response.length) {
    throw new RangeError(
      `Cannot pack sequence ${index}: expected a mark for each of ${response.length} response ` +
        `tokens, got ${learned.length}`,
    );
  }
  const length = prompt.length + response.length;
  if (length > rowLength) {
    throw new RangeError(
      `Cannot pack sequence ${index}: expected at most ${rowLength} tokens, got ${length}`,
    );
  }
}
