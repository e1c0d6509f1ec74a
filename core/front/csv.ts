// Rows as CSV: the tables of a front, of several, and of the rewards behind one.

/** Fields as CSV (RFC 4180, with line feeds). */
export function csvText(rows: string[][]): string {
  return rows.map((row) => row.map(csvField).join(",") + "\n").join("");
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
