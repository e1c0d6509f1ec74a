// Which requests may compute: as many as share a step, and as the memory for their keys and values
// allows when each of them uses all its tokens, so that nothing that was begun has to be given up
// for want of it. Asked by the batcher between steps.
import { InputError } from "../errors.ts";
import type { DecodeAdapter, Decoder } from "./decoder.ts";
import type { GenerateRequest } from "./request.ts";

/** The requests that compute, and their memory. */
export interface Admission {
  /** Throws InputError for a request that would not fit alone. */
  check(request: GenerateRequest): void;
  /** Whether one more fits now. */
  fits(request: GenerateRequest): boolean;
  join(request: GenerateRequest): void;
  leave(request: GenerateRequest): void;
  /** Bytes that those inside may come to take. */
  readonly bytes: number;
}

/** Room for `maxRows` requests within `maxBytes` of keys and values. */
export function createAdmission(
  { maxRows, maxBytes }: { maxRows: number; maxBytes: number },
): Admission {
  const inside = new Set<GenerateRequest>();
  let groups: Group[] = [];

  function bytesWith(request: GenerateRequest | null): number {
    const group = request && grown(groupOf(request), request);
    const others = groups.filter((other) => !group || !isSame(other, group));
    return [...others, ...(group ? [group] : [])].reduce((sum, each) => sum + groupBytes(each), 0);
  }

  function groupOf({ model: { decoder }, adapter }: GenerateRequest): Group {
    const key = { decoder, adapter };
    return groups.find((group) => isSame(group, key)) ?? { ...key, rows: 0, slots: 0, longest: 0 };
  }

  return {
    check(request) {
      const { model: { decoder }, prompt, maxTokens, adapter } = request;
      const alone = grown({ decoder, adapter, rows: 0, slots: 0, longest: 0 }, request);
      if (groupBytes(alone) <= maxBytes) return;
      throw new InputError(
        "Cannot generate: expected prompt and max_tokens to fit the memory for chats " +
          `(${Math.floor(maxBytes / 2 ** 20)} MiB), got ${prompt.length} + ${maxTokens} tokens, ` +
          `which need ${Math.ceil(groupBytes(alone) / 2 ** 20)} MiB`,
      );
    },
    fits: (request) => inside.size < maxRows && bytesWith(request) <= maxBytes,
    join(request) {
      const group = grown(groupOf(request), request);
      groups = [...groups.filter((other) => !isSame(other, group)), group];
      inside.add(request);
    },
    leave(request) {
      if (!inside.delete(request)) return;
      groupOf(request).rows--;
      groups = groups.filter(({ rows }) => rows > 0);
    },
    get bytes() {
      return bytesWith(null);
    },
  };
}

/**
 * Requests of one adapter. The decoder keeps their sequences side by side in a power of two of
 * slots, all with room for the longest, and makes none of it smaller before the last has left.
 */
interface Group {
  decoder: Decoder;
  adapter: DecodeAdapter | null;
  rows: number;
  slots: number; // most rows since the group was empty
  longest: number; // most tokens since the group was empty
}

const GRAIN = 64; // tokens that room is made for at once

function grown(group: Group, { prompt, maxTokens }: GenerateRequest): Group {
  const rows = group.rows + 1;
  const longest = Math.max(group.longest, prompt.length + maxTokens);
  return { ...group, rows, slots: Math.max(group.slots, rows), longest };
}

function groupBytes({ decoder, slots, longest }: Group): number {
  const room = Math.ceil(longest / GRAIN) * GRAIN;
  return 2 ** Math.ceil(Math.log2(slots)) * room * decoder.bytesPerToken;
}

function isSame(a: Pick<Group, "decoder" | "adapter">, b: Pick<Group, "decoder" | "adapter">) {
  return a.decoder === b.decoder && a.adapter === b.adapter;
}
