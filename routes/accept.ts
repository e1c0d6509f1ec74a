// Which of several media types a client likes best (RFC 9110, 12.5.1): the quality of a type is
// that of the most specific range that names it.
import { parseAccept } from "hono/utils/accept";
import { Refusal } from "./errors.ts";

/** The best of `types` (the first where several are) for an Accept header; throws a 406 refusal. */
export function negotiate<T extends string>(accept: string | undefined, types: readonly T[]): T {
  const ranges = accept === undefined || accept.trim() === ""
    ? [{ type: "*/*", q: 1 }]
    : parseAccept(accept);
  let best: { type: T; quality: number } | undefined;
  for (const type of types) {
    const quality = qualityOf(type, ranges);
    if (quality > (best?.quality ?? 0)) best = { type, quality };
  }
  if (best !== undefined) return best.type;
  throw new Refusal(
    "NotAcceptable",
    `Cannot answer: expected one of ${types.join(", ")} to be accepted, got none of them`,
  );
}

/** Whether `type` itself is named, not merely covered by a range. */
export function names(accept: string | undefined, type: string): boolean {
  return parseAccept(accept ?? "").some((range) =>
    range.type.toLowerCase() === type && range.q > 0
  );
}

function qualityOf(type: string, ranges: { type: string; q: number }[]): number {
  const main = type.slice(0, type.indexOf("/"));
  for (const wanted of [type, `${main}/*`, "*/*"]) {
    const matching = ranges.filter((range) => range.type.toLowerCase() === wanted);
    if (matching.length > 0) return Math.max(...matching.map(({ q }) => q));
  }
  return 0;
}
