// The colours of a front's picture: each dimension has one, a preference vector mixes them.

/** Text and axes. */
export const INK = "#1f2933";
/** Secondary text and the exact front. */
export const MUTED = "#5f6c7b";
// Okabe and Ito's palette: its colours stay apart for colour-blind eyes.
const DIMENSION_COLOURS = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const SERIES_COLOURS = [
  "#7A5195",
  "#3B7D5C",
  "#A0522D",
  "#4B5563",
  "#8A1C4A",
  "#5B7A12",
  "#1F6F8B",
];
const EARLY = "#d5c49a";
const LATE = "#8a6a1f";

/** The colour of dimension `i`; six differ. */
export function dimensionColour(i: number): string {
  return DIMENSION_COLOURS[i % DIMENSION_COLOURS.length] ?? INK;
}

/** The colour of the `i`-th further report in a picture; seven differ. */
export function seriesColour(i: number): string {
  return SERIES_COLOURS[i % SERIES_COLOURS.length] ?? INK;
}

/** The colour of a front that was measured after this share (0 … 1) of the training. */
export function stepColour(share: number): string {
  return mixed([EARLY, LATE], [1 - share, share]);
}

/** The dimensions' colours mixed by λ in linear light, as #rrggbb. */
export function mixedColour(preference: number[]): string {
  return mixed(preference.map((_, i) => dimensionColour(i)), preference);
}

function mixed(colours: string[], weights: number[]): string {
  const channels = [1, 3, 5].map((start) => {
    const light = weights.reduce((sum, weight, i) => {
      const byte = parseInt((colours[i] ?? INK).slice(start, start + 2), 16);
      return sum + weight * (byte / 255) ** 2.2;
    }, 0);
    return Math.round(255 * Math.min(1, light) ** (1 / 2.2)).toString(16).padStart(2, "0");
  });
  return `#${channels.join("")}`;
}
