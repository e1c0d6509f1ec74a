// PKU-SafeRLHF (Ji et al. 2024): two responses to a prompt, compared for helpfulness
// (`better_response_id`) and for safety (`safer_response_id`). Either label may be missing.
import { type DatasetReader, readLabel, readPrompt, readText } from "./reader.ts";

/** Reader of PKU-SafeRLHF rows; its dimensions are helpful and harmless. */
export const safeRlhf: DatasetReader = {
  fields: "prompt, response_0, response_1, better_response_id, safer_response_id",
  namesDimensions: true,
  recognises: (fields) =>
    "response_0" in fields && ("better_response_id" in fields || "safer_response_id" in fields),
  open: () => ({
    read: (row) => [{
      prompt: readPrompt(row),
      responses: [readText(row, "response_0"), readText(row, "response_1")],
      labels: {
        ...("better_response_id" in row.fields &&
          { helpful: readLabel(row, "better_response_id") }),
        ...("safer_response_id" in row.fields && { harmless: readLabel(row, "safer_response_id") }),
      },
    }],
  }),
};
