// Something fetched: on its way, here, or failed with a sentence.
import type { Signal } from "@preact/signals";
import { sentenceOf } from "./api.ts";

export type Resource<T> =
  | { state: "loading" }
  | { state: "ready"; value: T }
  | { state: "failed"; error: string };

/**
 * Puts what comes of `load` into the signal; a value already there stays until the new one comes.
 * Of several loads into one signal the last begun wins.
 */
export async function loadInto<T>(
  target: Signal<Resource<T>>,
  load: () => Promise<T>,
): Promise<void> {
  const turn = (turns.get(target) ?? 0) + 1;
  turns.set(target, turn);
  if (target.peek().state === "failed") target.value = { state: "loading" };
  let outcome: Resource<T>;
  try {
    outcome = { state: "ready", value: await load() };
  } catch (error) {
    outcome = { state: "failed", error: sentenceOf(error) };
  }
  if (turns.get(target) === turn) target.value = outcome;
}

const turns = new WeakMap<object, number>();

/** The value, or null while there is none. */
export function valueOf<T>(resource: Resource<T>): T | null {
  return resource.state === "ready" ? resource.value : null;
}
