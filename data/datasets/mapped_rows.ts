// The rows of a file as its reader wants them: JSON objects, their columns renamed where the option
// `columns` names some of them. The first row decides, and says which reader it is.
import { InputError } from "../../core/errors.ts";
import { type ColumnMap, mapApplies, mapColumns } from "./column_map.ts";
import type { JsonLine } from "./jsonl.ts";
import { readObject, type Row } from "./reader.ts";
import { readRows } from "./rows.ts";

/** A file whose first row has been seen. */
export interface OpenedRows {
  first: Row;
  /** All rows, the first among them; to be read once. */
  rows: AsyncGenerator<Row>;
  /** Whether the columns were renamed. */
  mapped: boolean;
}

/**
 * Opens a file, hands it to `use` and closes it. Throws InputError where it is missing, of no known
 * format or without rows, and what `use` throws; what is wrong with later rows is thrown where they
 * are read.
 */
export async function withRows<T>(
  file: string,
  map: ColumnMap | undefined,
  use: (opened: OpenedRows) => Promise<T>,
): Promise<T> {
  const lines = readRows(file);
  try {
    const { value: line } = await lines.next();
    if (!line) throw new InputError(`Cannot read ${file}: expected at least one row, got none`);
    const given = { fields: readObject(line.value, line.where), where: line.where };
    const used = map !== undefined && mapApplies(map, given.fields) ? map : undefined;
    const named = (row: Row) => used === undefined ? row : mapColumns(used, row);
    const first = named(given);
    return await use({ first, rows: following(first, lines, named), mapped: used !== undefined });
  } finally {
    await lines.return(undefined);
  }
}

async function* following(
  first: Row,
  lines: AsyncGenerator<JsonLine>,
  named: (row: Row) => Row,
): AsyncGenerator<Row> {
  yield first;
  for await (const { value, where } of lines) {
    yield named({ fields: readObject(value, where), where });
  }
}
