// HelpSteer (Wang et al. 2023 and 2024, NVIDIA): responses rated 0 to 4 by attribute. Two responses to
// one prompt make a pair, in which each attribute prefers the better rated one, and none where both
// are rated alike. Its attributes are the dimensions, all of them or those asked for by name.
// A prompt of several turns is one text there: `…\n<extra_id_1>Assistant\n…\n<extra_id_1>User\n…`.
import type { Message } from "../../core/text/example.ts";
import { columns } from "./columns.ts";
import {
  type DatasetReader,
  everyTwo,
  malformed,
  type Rated,
  ratedPair,
  readScore,
  readText,
  type Row,
} from "./reader.ts";

const attributes = ["helpfulness", "correctness", "coherence", "complexity", "verbosity"];
const HIGHEST = 4;

/** Reader of rows of one response each; rows of the same prompt are compared with each other. */
export const helpsteer: DatasetReader = {
  fields: `prompt, response and ratings (${attributes.join(", ")})`,
  namesDimensions: true,
  recognises: (fields) =>
    "prompt" in fields && "response" in fields && attributes.some((name) => name in fields),
  mayLabel: (fields, dimension) => dimension in fields,
  open({ dimensions }) {
    const rated = new Map<string, Rated[]>(); // by prompt
    return {
      read(row) {
        const prompt = readText(row, "prompt");
        const names = (dimensions ?? attributes).filter((name) => name in row.fields);
        const ratings = Object.fromEntries(names.map((name) => [name, readRating(row, name)]));
        const known = rated.get(prompt) ?? [];
        known.push({ response: readText(row, "response"), ratings });
        rated.set(prompt, known);
        return [];
      },
      end: () =>
        [...rated].flatMap(([text, all]) => {
          const prompt = turnsOf(text);
          return everyTwo(all).map((two) => ratedPair(prompt, two, Object.keys(two[0].ratings)));
        }),
    };
  },
};

/** Reader of rows of two responses each, with `<attribute>_score_0` and `<attribute>_score_1`. */
export const helpsteerPairs: DatasetReader = {
  ...columns,
  fields: "prompt, response_0, response_1, helpfulness_score_0, helpfulness_score_1 …",
  recognises: (fields) =>
    columns.recognises(fields) && attributes.some((name) => `${name}_score_0` in fields),
  open(options) {
    const { read } = columns.open(options);
    return {
      read: ({ fields, where }) => {
        const { prompt } = fields;
        const turns = typeof prompt === "string" ? turnsOf(prompt) : prompt;
        return read({ fields: { ...fields, prompt: turns }, where });
      },
    };
  },
};

function readRating(row: Row, name: string): number | null {
  const rating = readScore(row, name);
  if (rating === null || !attributes.includes(name) || (rating >= 0 && rating <= HIGHEST)) {
    return rating;
  }
  throw malformed(row.where, name, `a rating from 0 to ${HIGHEST}`, rating);
}

function turnsOf(prompt: string): Message[] {
  const [first = "", ...rest] = prompt.split(/\n<extra_id_1>(User|Assistant)\n/);
  const turns: Message[] = [{ role: "user", content: first }];
  for (let i = 0; i < rest.length; i += 2) {
    turns.push({
      role: rest[i] === "User" ? "user" : "assistant",
      content: rest[i + 1] ?? "",
    });
  }
  return turns;
}
