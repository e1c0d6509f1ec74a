// A share of independent rows with the interval that other rows of the same kind would lie in.
// Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

/** k of n rows, and the share k/n with its 95 % interval; share and ends are NaN for n = 0. */
export interface Proportion {
  count: number; // k
  of: number; // n
  share: number; // 0 … 1
  low: number;
  high: number;
}

const Z = 1.959963984540054; // of the normal distribution at 97.5 %

/** Wilson's score interval: inside 0 … 1 for every k, and of some width for k = 0 too. */
export function proportion(count: number, of: number): Proportion {
  const share = count / of;
  const shrink = 1 + Z * Z / of;
  const centre = (share + Z * Z / (2 * of)) / shrink;
  const half = Z / shrink * Math.sqrt(share * (1 - share) / of + Z * Z / (4 * of * of));
  return {
    count,
    of,
    share,
    // rounding must not put an end on the wrong side of the share
    low: Math.min(share, Math.max(0, centre - half)),
    high: Math.max(share, Math.min(1, centre + half)),
  };
}
