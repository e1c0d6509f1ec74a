// Rows with one column per dimension: `prompt`, `response_0`, `response_1` and, named as the
// dimension, 0 or 1 (the better response) or nothing; or two columns per dimension, `<name>_score_0`
// and `<name>_score_1`, of which the higher score is the better one. Any number of dimensions.
import {
  type DatasetReader,
  labelOfScores,
  readLabel,
  readPrompt,
  readScore,
  readText,
  type Row,
} from "./reader.ts";

const ownFields = new Set(["prompt", "response_0", "response_1"]);
const FIRST_SCORE = "_score_0";
const scoreField = /_score_[01]$/;

/**
 * Reader of rows with one column per dimension. A column is a dimension when its first value is 0
 * or 1, and malformed when a later one is not; other columns are taken for remarks, and all are
 * where there are scores. Where dimensions are asked for by name, only their columns can be malformed.
 */
export const columns: DatasetReader = {
  fields: "prompt, response_0, response_1 and a column of 0 or 1 (or two of scores) per dimension",
  namesDimensions: true,
  recognises: (fields) => [...ownFields].every((field) => field in fields),
  mayLabel: (fields, dimension) => dimension in fields || dimension + FIRST_SCORE in fields,
  open({ dimensions }) {
    const isDimension = new Map(dimensions?.map((name) => [name, true]));
    let scored: string[] | undefined; // dimensions that have scores, by the first row
    return {
      read(row) {
        scored ??= scoredDimensions(row).filter((name) => dimensions?.includes(name) ?? true);
        const labels = scored.length > 0 && dimensions === undefined ? {} : readLabels(row, {
          isDimension,
          isStrict: (name) => dimensions?.includes(name) ?? true,
        });
        for (const name of scored) {
          const [first, second] = [0, 1].map((n) => readScore(row, `${name}_score_${n}`));
          labels[name] = labelOfScores(first ?? null, second ?? null);
        }
        const responses: [string, string] = [
          readText(row, "response_0"),
          readText(row, "response_1"),
        ];
        return [{ prompt: readPrompt(row), responses, labels }];
      },
    };
  },
};

function scoredDimensions({ fields }: Row): string[] {
  return Object.keys(fields).filter((field) => field.endsWith(FIRST_SCORE))
    .map((field) => field.slice(0, -FIRST_SCORE.length));
}

/** The labels of a row; `isDimension` learns what each column is from its first value. */
function readLabels(
  row: Row,
  { isDimension, isStrict }: {
    isDimension: Map<string, boolean>;
    isStrict: (name: string) => boolean;
  },
): Record<string, 0 | 1 | null> {
  const labels: Record<string, 0 | 1 | null> = {};
  for (const [field, value] of Object.entries(row.fields)) {
    if (ownFields.has(field) || scoreField.test(field)) continue;
    const isLabel = value === 0 || value === 1;
    if (!isDimension.has(field) && value !== null) isDimension.set(field, isLabel);
    if (!isDimension.get(field)) continue;
    if (isLabel || value === null || isStrict(field)) labels[field] = readLabel(row, field);
  }
  return labels;
}
