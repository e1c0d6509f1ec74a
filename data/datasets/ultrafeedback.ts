// UltraFeedback (Cui et al. 2023): several completions of one instruction, each rated by aspect. Every
// two of them make a pair, in which an aspect prefers the better rated one, and none where both are
// rated alike or one is not rated ("N/A").
import { z } from "zod";
import {
  type DatasetReader,
  everyTwo,
  malformed,
  type Rated,
  ratedPair,
  readPrompt,
  type Row,
} from "./reader.ts";

const Rating = z.union([
  z.number().finite(),
  z.literal(["N/A", ""]).transform(() => null),
  z.string().regex(/^\d+(\.\d+)?$/).transform(Number),
  z.null(),
]);
const Aspects = z.record(
  z.string(),
  z.union([z.looseObject({ Rating }).transform((aspect) => aspect.Rating), Rating]),
);
const Completions = z.array(z.looseObject({
  response: z.string(),
  annotations: Aspects.optional(), // as UltraFeedback has it: {helpfulness: {Rating: "4", …}}
  ratings: Aspects.optional(), // {helpfulness: 4}
})).min(1);

/** Reader of rated completions; its dimensions are the aspects, or those asked for by name. */
export const ultrafeedback: DatasetReader = {
  fields: "instruction (or prompt), completions as {response, annotations or ratings by aspect}",
  namesDimensions: true,
  recognises: (fields) =>
    Array.isArray(fields.completions) && ("instruction" in fields || "prompt" in fields),
  open: ({ dimensions }) => ({
    read(row) {
      const { instruction, ...fields } = row.fields;
      const prompt = readPrompt({ ...row, fields: { prompt: instruction, ...fields } });
      return everyTwo(readCompletions(row)).map(([first, second]) => {
        const names = dimensions ?? Object.keys({ ...first.ratings, ...second.ratings });
        return ratedPair(prompt, [first, second], names);
      });
    },
  }),
};

function readCompletions({ fields, where }: Row): Rated[] {
  const parsed = Completions.safeParse(fields.completions);
  if (!parsed.success) {
    const path = parsed.error.issues[0]?.path.join(".");
    const form = `a list of {response, annotations: {aspect: {Rating}}} (see ${
      path || "its form"
    })`;
    throw malformed(where, "completions", form, fields.completions);
  }
  return parsed.data.map(({ response, annotations, ratings }) => ({
    response,
    ratings: { ...annotations, ...ratings },
  }));
}
