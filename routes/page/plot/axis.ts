// An axis of the page's charts: round ticks over a range, their text, and the way into pixels.

/** From values to pixels and back. */
export interface Scale {
  domain: [number, number];
  toPixels(value: number): number;
  ticks: { at: number; text: string }[];
}

/**
 * The scale that carries `domain` to `range` (pixels, either direction), with about `count` ticks
 * at multiples of 1, 2 or 5 times a power of ten. `whole`: ticks only at whole numbers.
 */
export function makeScale(
  domain: [number, number],
  range: [number, number],
  { count = 5, whole = false }: { count?: number; whole?: boolean } = {},
): Scale {
  const [low, high] = domain;
  const extent = high - low || 1;
  const step = Math.max(tickStep(extent / Math.max(1, count)), whole ? 1 : 0);
  const decimals = Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const ticks = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => {
    const at = (first + i) * step;
    return { at, text: tickText(at, decimals) };
  });
  const toPixels = (value: number) => range[0] + ((value - low) / extent) * (range[1] - range[0]);
  return { domain, toPixels, ticks };
}

/** A number in about three significant figures, for a readout. */
export function figure(value: number): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return "–";
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 2 : 3);
}

function tickStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const share = rough / power;
  return power * (share <= 1.4 ? 1 : share <= 3.2 ? 2 : share <= 7.1 ? 5 : 10);
}

function tickText(at: number, decimals: number): string {
  const size = Math.abs(at);
  if (size >= 1e6 || decimals > 5) return at === 0 ? "0" : at.toExponential(0);
  return size >= 1e4 ? at.toLocaleString("en") : (at === 0 ? 0 : at).toFixed(decimals);
}
