// Keys and values of prompts and answers met before, so that a repeated prompt or the next turn of
// a dialogue is not computed again. They depend on the weights, the adapter and λ, so each entry
// belongs to a scope that names all three. Least recently used entries go first when space is
// short. Filled and asked by the batcher.
import type { Decoder, Prefix, Sequence } from "./decoder.ts";
import type { GenerateRequest } from "./request.ts";

/** What is kept of a sequence. */
export interface PrefixEntry {
  tokens: Int32Array; // as many as the prefix is long
  prefix: Prefix;
  /** Logits after the last token (V), where they are known. */
  logits: Float32Array | null;
}

/** What an entry has of a prompt. */
export interface PrefixMatch {
  prefix: Prefix;
  /** How many of the prefix's tokens the prompt begins with, and should take. */
  length: number;
  /** Logits after the prompt's last token: nothing of it needs computing. */
  logits: Float32Array | null;
}

/** Prefixes within a limit of memory. */
export interface PrefixCache {
  /** The longest usable beginning of a prompt in a scope; null where there is none. */
  find(scope: string, prompt: ArrayLike<number>): PrefixMatch | null;
  /** Whether an entry of this size can be kept. */
  holds(bytes: number): boolean;
  /** Keeps an entry, in place of one of the same tokens. */
  add(scope: string, entry: PrefixEntry): void;
  /** Drops every entry of a model. */
  forget(modelId: string): void;
  /** Memory of all entries. */
  readonly bytes: number;
}

/** Names what a request's keys and values depend on beside its tokens. */
export function prefixScope({ model, adapter, preference }: GenerateRequest): string {
  return `${scopeStart(model.id)}${adapter?.id ?? ""}\n${preference.join(",")}`;
}

/** A cache of at most `maxBytes`; 0 keeps nothing. */
export function createPrefixCache({ maxBytes }: { maxBytes: number }): PrefixCache {
  const scopes = new Map<string, Set<PrefixEntry>>();
  const scopeOf = new Map<PrefixEntry, string>(); // least recently used first
  let bytes = 0;

  function remove(entry: PrefixEntry, scope: string): void {
    scopeOf.delete(entry);
    bytes -= sizeOf(entry);
    const entries = scopes.get(scope);
    entries?.delete(entry);
    if (entries?.size === 0) scopes.delete(scope);
  }

  return {
    find(scope, prompt) {
      let best: { entry: PrefixEntry; match: PrefixMatch } | null = null;
      for (const entry of scopes.get(scope) ?? []) {
        const match = matchOf(entry, prompt);
        if (match.length > (best?.match.length ?? 0)) best = { entry, match };
      }
      if (!best) return null;
      scopeOf.delete(best.entry);
      scopeOf.set(best.entry, scope); // now the most recently used
      return best.match;
    },
    holds: (size) => size <= maxBytes,
    add(scope, entry) {
      const size = sizeOf(entry);
      if (size > maxBytes) return;
      for (const other of scopes.get(scope) ?? []) {
        if (hasSameTokens(other, entry)) remove(other, scope);
      }
      for (const [oldest, itsScope] of scopeOf) {
        if (bytes + size <= maxBytes) break;
        remove(oldest, itsScope);
      }
      scopes.set(scope, (scopes.get(scope) ?? new Set()).add(entry));
      scopeOf.set(entry, scope);
      bytes += size;
    },
    forget(modelId) {
      for (const [entry, scope] of scopeOf) {
        if (scope.startsWith(scopeStart(modelId))) remove(entry, scope);
      }
    },
    get bytes() {
      return bytes;
    },
  };
}

/** A new sequence that starts with what was found. Caller disposes. */
export function startSequence(
  decoder: Decoder,
  { adapter, preference }: Pick<GenerateRequest, "adapter" | "preference">,
  match: PrefixMatch | null,
): Sequence {
  if (!match) return decoder.start({ adapter, preference });
  const whole = decoder.start({ adapter, preference, prefix: match.prefix });
  if (match.length === match.prefix.length) return whole;
  let part: Prefix;
  try {
    part = whole.snapshot(match.length);
  } finally {
    whole.dispose();
  }
  return decoder.start({ adapter, preference, prefix: part });
}

// Taking only the beginning of an entry copies all of it first: it has to be worth that.
const LEAST_PART = { tokens: 16, share: 1 / 8 };

/** How much of an entry to take for a prompt; its last token is computed unless logits are known. */
function matchOf({ tokens, prefix, logits }: PrefixEntry, prompt: ArrayLike<number>): PrefixMatch {
  const shared = sharedLength(tokens, prompt);
  if (shared === tokens.length && shared === prompt.length && logits) {
    return { prefix, length: shared, logits };
  }
  const length = Math.min(shared, prompt.length - 1);
  const worthIt = length === tokens.length ||
    length >= Math.max(LEAST_PART.tokens, LEAST_PART.share * tokens.length);
  return { prefix, length: worthIt ? length : 0, logits: null };
}

function scopeStart(modelId: string): string {
  return `${modelId}\n`;
}

function sizeOf({ tokens, prefix, logits }: PrefixEntry): number {
  return tokens.byteLength + prefix.bytes + (logits?.byteLength ?? 0);
}

function hasSameTokens(a: PrefixEntry, b: PrefixEntry): boolean {
  return a.tokens.length === b.tokens.length &&
    sharedLength(a.tokens, b.tokens) === b.tokens.length;
}

function sharedLength(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}
