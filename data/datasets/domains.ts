// Domain-specific preferences (DSP, Cheng et al. 2023): one response per domain to each query. A domain
// prefers its own response to every other, so two domains order their two responses in opposite ways.
import { z } from "zod";
import {
  type DatasetReader,
  everyTwo,
  type LabelledPair,
  malformed,
  readPrompt,
  type Row,
} from "./reader.ts";

const Responses = z.record(z.string().min(1), z.string());

/** What a response without any domain is called: it is preferred by none. */
const PLAIN = "normal";

/** Reader of responses by domain; its dimensions are the domains, or those asked for by name. */
export const domains: DatasetReader = {
  fields: "query (or prompt), responses as {domain: text}",
  namesDimensions: true,
  recognises: ({ responses, ...fields }) =>
    ("query" in fields || "prompt" in fields) && typeof responses === "object" &&
    responses !== null && !Array.isArray(responses),
  open: ({ dimensions }) => ({
    read(row) {
      const { query, ...fields } = row.fields;
      const prompt = readPrompt({ ...row, fields: { prompt: query, ...fields } });
      const all = Object.entries(readResponses(row));
      const isDimension = (name: string) => dimensions?.includes(name) ?? name !== PLAIN;
      return everyTwo(all).map(([[a, first], [b, second]]): LabelledPair => ({
        prompt,
        responses: [first, second],
        labels: {
          ...isDimension(a) && { [a]: 0 },
          ...isDimension(b) && { [b]: 1 },
        },
      }));
    },
  }),
};

function readResponses({ fields, where }: Row): Record<string, string> {
  const parsed = Responses.safeParse(fields.responses);
  if (parsed.success) return parsed.data;
  throw malformed(where, "responses", "texts by domain", fields.responses);
}
