// Preference examples as every later stage sees them, whatever file they came from.
// First stop of the flow: data/datasets reads rows into these; core/text turns them into tokens.

/** One turn of a dialogue. */
export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

/**
 * Two responses to one prompt, compared along M dimensions.
 * `better[i]` is the index (0 or 1) of the response preferred in dimension i, or null where that
 * dimension has no label; between 0 and 1 it is the share of labellers who prefer response 1. A pair that belongs to one dimension (HH) and a pair with a label for
 * each dimension (PKU-SafeRLHF) are both of this shape.
 */
export interface PreferenceExample {
  prompt: Message[];
  responses: [string, string];
  better: (number | null)[]; // (M)
}

/** Examples with the names of their dimensions and a content hash (sha256, hex). */
export interface PreferenceDataset {
  dimensions: string[]; // (M)
  examples: PreferenceExample[];
  fingerprint: string;
}

/** A preference example as token ids: each response ends with exactly one end token. */
export interface TokenizedPair {
  prompt: Int32Array;
  responses: [Int32Array, Int32Array];
  better: (number | null)[]; // (M)
}
