// Whether two fronts were measured alike, so that they may stand on the same axes: the same prompts,
// the same judge, the same limits. What was measured may differ: that is the comparison. Asked by
// workers/front_comparison and by the page, where a report's settings are plain data.

/** Settings of a report that have to agree, with what each is called in messages. */
const SHARED: Record<string, string> = {
  metric: "metric",
  dimensions: "dimensions",
  data: "test data",
  limit: "limit",
  maxLength: "max_length",
  overlong: "overlong",
  responses: "reward model or max_new_tokens",
};

/** Settings in which one adapter's fronts at several steps may differ. */
const OWN_TO_A_STEP = ["adapterHash", "step"];

/** What two fronts differ in that keeps them from being compared; nothing where they can be. */
export function differences(
  a: Record<string, unknown>,
  b: Record<string, unknown>,
): string[] {
  const names = Object.keys(SHARED).filter((name) => !same(a[name], b[name]));
  // Which prompts a limit leaves is drawn by the seed.
  const drawn = a.limit !== null && a.limit !== undefined && !same(a.seed, b.seed);
  return [...names.map((name) => SHARED[name] ?? name), ...(drawn ? ["seed"] : [])];
}

/** Whether two fronts were measured with all the same settings, at whatever step of a training. */
export function sameButStep(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => OWN_TO_A_STEP.includes(name) || same(a[name], b[name]));
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
}
