// The table of rows. An entry and, where it measures something new, an experiment in the same file
// make a row; several rows may read the rounds of one experiment.
import { decodingRows } from "./decoding_rows.ts";
import { growthRows } from "./growth_rows.ts";
import { rlhfRows } from "./rlhf_rows.ts";
import type { Row } from "./row.ts";
import { serviceRows } from "./service_rows.ts";
import { trainingRows } from "./training_rows.ts";

/** Every row, in the order of the table. */
export const rows: Row[] = [
  ...trainingRows,
  ...growthRows,
  ...rlhfRows,
  ...decodingRows,
  ...serviceRows,
];
