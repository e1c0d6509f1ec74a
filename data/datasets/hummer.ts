// Separate pairs of several dimensions in one file (Hummer, Jiang et al. 2024): prompt, chosen and
// rejected as TRL has them, and `dimension`, the one that the pair is about.
import { type DatasetReader, readText } from "./reader.ts";
import { readChosenRejected } from "./trl.ts";

/** Reader of pairs that name their dimension. */
export const hummer: DatasetReader = {
  fields: "dimension, prompt, chosen, rejected",
  namesDimensions: true,
  recognises: (fields) =>
    typeof fields.dimension === "string" && "chosen" in fields && "rejected" in fields,
  open: ({ onLeftOut }) => ({
    read(row) {
      const pair = readChosenRejected(row);
      if (pair !== null) return [{ ...pair, labels: { [readText(row, "dimension")]: 0 } }];
      onLeftOut("two_prompts");
      return [];
    },
  }),
};
