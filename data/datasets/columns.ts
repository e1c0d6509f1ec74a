// Rows with one column per dimension: `prompt`, `response_0`, `response_1` and, named as the
// dimension, 0 or 1 (the better response) or nothing. Any number of dimensions.
import { type DatasetReader, readLabel, readPrompt, readText } from "./reader.ts";

const ownFields = new Set(["prompt", "response_0", "response_1"]);

/**
 * Reader of rows with one column per dimension. A column is a dimension when its first value is 0
 * or 1, and malformed when a later one is not; other columns are taken for remarks. Where
 * dimensions are asked for by name, only their columns can be malformed.
 */
export const columns: DatasetReader = {
  fields: "prompt, response_0, response_1 and a column of 0 or 1 per dimension",
  namesDimensions: true,
  recognises: (fields) => [...ownFields].every((field) => field in fields),
  open: ({ dimensions }) => {
    const isDimension = new Map(dimensions?.map((name) => [name, true]));
    return (row) => {
      const labels: Record<string, 0 | 1 | null> = {};
      for (const [field, value] of Object.entries(row.fields)) {
        if (ownFields.has(field)) continue;
        const isLabel = value === 0 || value === 1;
        if (!isDimension.has(field) && value !== null) isDimension.set(field, isLabel);
        if (!isDimension.get(field)) continue;
        const isStrict = dimensions?.includes(field) ?? true;
        if (isLabel || value === null || isStrict) labels[field] = readLabel(row, field);
      }
      return {
        prompt: readPrompt(row),
        responses: [readText(row, "response_0"), readText(row, "response_1")],
        labels,
      };
    };
  },
};
