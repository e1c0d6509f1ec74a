// The keys of a list box of points: arrows, Home and End move, Enter and space choose again.

/** The place that a key leads to from another, of `count`; null for a key that means nothing. */
export function placeAfter(key: string, from: number, count: number): number | null {
  switch (key) {
    case "ArrowRight":
    case "ArrowUp":
      return Math.min(count - 1, from + 1);
    case "ArrowLeft":
    case "ArrowDown":
      return Math.max(0, from - 1);
    case "Home":
      return 0;
    case "End":
      return count - 1;
    case "Enter":
    case " ":
      return from;
    default:
      return null;
  }
}
