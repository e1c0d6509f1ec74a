// Numbers as people read them in a terminal; used by the progress bar and the summaries.

/** Seconds as `0:07`, `12:30` or `2:03:10`; `--:--` where unknown. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return "--:--";
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(whole % 60)}`
    : `${minutes}:${two(whole % 60)}`;
}

/** A share 0 … 1 as `63 %`; `–` where it is not a number. */
export function percent(share: number): string {
  return Number.isFinite(share) ? `${Math.round(share * 100)} %` : "–";
}

/** A whole number with spaces between thousands: `12 800`. */
export function grouped(value: number): string {
  return Number.isFinite(value) ? String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, " ") : "–";
}

/** λ with its names: `helpful 0.75, harmless 0.25`. */
export function namedPreference(preference: number[], dimensions: string[]): string {
  return preference.map((weight, i) => `${dimensions[i] ?? `λ${i + 1}`} ${weight.toFixed(2)}`)
    .join(", ");
}

/** Text cells in columns, first row as head: all right-aligned, two spaces apart. */
export function columns(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0))
  );
  return rows
    .map((row) => row.map((cell, i) => cell.padStart(widths[i] ?? 0)).join("  "))
    .join("\n");
}
