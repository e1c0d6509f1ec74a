// The focus in a list box of points, of which only one is a stop of the tab key.
import { placeAfter } from "./list_keys.ts";

/**
 * Moves the focus along the children of a list box and tells which one it came to. A list of lines
 * reads downwards: there `down` makes the lower arrow lead on.
 */
export function moveAlong(
  event: KeyboardEvent & { currentTarget: EventTarget & Element },
  { from, count, down = false }: { from: number; count: number; down?: boolean },
  onMove: (to: number) => void,
): void {
  const turned: Record<string, string> = { ArrowDown: "ArrowUp", ArrowUp: "ArrowDown" };
  const key = down ? turned[event.key] ?? event.key : event.key;
  const to = placeAfter(key, from, count);
  if (to === null) return;
  event.preventDefault();
  onMove(to);
  (event.currentTarget.parentElement?.children[to] as SVGElement | undefined)?.focus();
}
