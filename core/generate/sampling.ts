// Which token comes next: the most probable one, or one drawn at a temperature from the whole
// distribution or from its top-p nucleus (Holtzman et al. 2020, arXiv 1904.09751). The batcher calls
// this once a row and step, so it must cost little beside the step: no sort, no call of exp.
//
// Weights exp((logit − max)/T) come from a table. Tokens fall into buckets by their depth
// (max − logit)/T; the buckets' masses say in which of them the drawn point or the edge of the
// nucleus lies, and only the tokens of that bucket are looked at one by one.
import { DivergedError } from "../errors.ts";
import type { Random } from "../random.ts";

/** How tokens are drawn. */
export interface Sampling {
  /** ≥ 0; 0 takes the most probable token and draws nothing. */
  temperature: number;
  /** In (0, 1]: the probability that the kept tokens have at least; 1 keeps all. */
  topP: number;
}

/**
 * A token id drawn from logits (V) with one number of `random`, none at temperature 0. The
 * probabilities are those of the softmax, to 1e-8 of each; tokens e^-48 times as probable as the
 * best are left out, being together less than a step of the uniform number. Of equal logits the
 * smaller id counts as the more probable one. Throws DivergedError where no logit is finite.
 */
export function sampleToken(
  logits: Float32Array,
  { temperature, topP }: Sampling,
  random: Random,
): number {
  const best = mostProbable(logits);
  const depthOfOne = STEPS / temperature; // table steps per unit of logit
  if (!(depthOfOne < Infinity)) return best;
  const row = { logits, max: logits[best] ?? NaN, depthOfOne };
  const total = measure(row);
  const edge = topP < 1 ? nucleus(row, topP * total) : null;
  return tokenAt(row, random.uniform() * (edge?.mass ?? total), edge);
}

/** log softmax(logits)[token], whatever the temperature; off by less than 1e-7. */
export function logProbOf(logits: Float32Array, token: number): number {
  const max = logits[mostProbable(logits)] ?? NaN;
  const total = measure({ logits, max, depthOfOne: STEPS });
  return (logits[token] ?? NaN) - max - Math.log(total);
}

const STEPS = 256; // of the table, per factor e
const TABLE = 48 * STEPS;
const BUCKET_BITS = 2; // a bucket has 4 steps
const table = Float64Array.from({ length: TABLE }, (_, step) => Math.exp(-step / STEPS));

// Of the row at hand. Rows are sampled one after another, so one set of buffers is enough.
const masses = new Float64Array(TABLE >> BUCKET_BITS);
let buckets = new Uint16Array(0); // (V)
const NO_BUCKET = 0xffff;

interface Row {
  logits: Float32Array; // (V)
  max: number;
  depthOfOne: number;
}

/** The smallest id among those with the largest logit. */
function mostProbable(logits: Float32Array): number {
  let best = -1;
  let max = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    if (logit > max) {
      max = logit;
      best = id;
    }
  }
  if (!Number.isFinite(max)) {
    throw new DivergedError(`Cannot choose a token: expected finite logits, got ${max} at most`);
  }
  return best;
}

/** Fills `buckets` and `masses`; returns the sum of all weights. */
function measure({ logits, max, depthOfOne }: Row): number {
  if (buckets.length !== logits.length) buckets = new Uint16Array(logits.length);
  const bucketOf = buckets; // a constant is read once, not for every token
  masses.fill(0);
  for (let id = 0; id < logits.length; id++) {
    const depth = (max - (logits[id] as number)) * depthOfOne;
    if (depth < TABLE) {
      const bucket = (depth | 0) >> BUCKET_BITS;
      masses[bucket] = (masses[bucket] as number) + weightAt(depth);
      bucketOf[id] = bucket;
    } else {
      bucketOf[id] = NO_BUCKET;
    }
  }
  let total = 0;
  for (let bucket = 0; bucket < masses.length; bucket++) total += masses[bucket] as number;
  return total;
}

/** exp(−depth/STEPS) by the table and a series: what it leaves out is below (1/STEPS)³/6 = 1e-8. */
function weightAt(depth: number): number {
  const step = depth | 0;
  const rest = (depth - step) / STEPS;
  return (table[step] as number) * (1 - rest * (1 - rest / 2));
}

/** Where the kept tokens end: all of the buckets before `bucket`, and of that one `ids`. */
interface Edge {
  bucket: number;
  ids: number[];
  mass: number; // of all kept tokens
}

/** The fewest of the most probable tokens whose weights together reach `target`. */
function nucleus(row: Row, target: number): Edge | null {
  let mass = 0;
  for (let bucket = 0; bucket < masses.length; bucket++) {
    const next = mass + (masses[bucket] as number);
    if (next < target) {
      mass = next;
      continue;
    }
    const { logits } = row;
    const byLogit = tokensIn(bucket)
      .sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
    const ids: number[] = [];
    for (const id of byLogit) {
      if (mass >= target) break;
      mass += weightOf(row, id);
      ids.push(id);
    }
    return { bucket, ids, mass };
  }
  return null; // the target is above the sum by rounding: everything is kept
}

/** The token that covers `point` where the kept weights lie in a row, bucket after bucket. */
function tokenAt(row: Row, point: number, edge: Edge | null): number {
  const last = edge ? edge.bucket : masses.findLastIndex((mass) => mass > 0);
  let rest = point;
  let bucket = 0;
  while (bucket < last && rest >= (masses[bucket] as number)) rest -= masses[bucket++] as number;
  const ids = bucket === edge?.bucket ? edge.ids : tokensIn(bucket);
  for (const id of ids) {
    rest -= weightOf(row, id);
    if (rest < 0) return id;
  }
  return ids.at(-1) as number; // only by rounding
}

/** Ids in a bucket, rising. */
function tokensIn(bucket: number): number[] {
  const ids: number[] = [];
  for (let id = buckets.indexOf(bucket); id >= 0; id = buckets.indexOf(bucket, id + 1)) {
    ids.push(id);
  }
  return ids;
}

function weightOf({ logits, max, depthOfOne }: Row, id: number): number {
  return weightAt((max - (logits[id] as number)) * depthOfOne);
}
