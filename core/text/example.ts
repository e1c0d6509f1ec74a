// Examples as every later stage sees them, whatever file they came from.
// First stop of the flow: data/datasets reads rows into these; core/text turns them into tokens.

/** One turn of a dialogue. */
export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

/**
 * Two responses to one prompt, compared along M dimensions.
 * `better[i]` is the index (0 or 1) of the response preferred in dimension i, or null where that
 * dimension has no label; between 0 and 1 it is the share of labellers who prefer response 1. A pair
 * that belongs to one dimension (HH) and a pair with a label for each dimension (PKU-SafeRLHF) are
 * both of this shape.
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

/** What an example is drawn by: the dimensions that have a label for it. */
export interface Labelled {
  better: (number | null)[]; // (M), null where there is none
}

/** A preference example as token ids: each response ends with exactly one end token. */
export interface TokenizedPair extends Labelled {
  prompt: Int32Array;
  responses: [Int32Array, Int32Array];
}

/**
 * A dialogue to imitate. `completion` begins with the assistant, and each of its assistant turns is
 * learned; `prompt` is only read.
 */
export interface InstructionExample {
  prompt: Message[];
  completion: Message[];
}

/** Instruction examples with a content hash (sha256, hex). */
export interface InstructionDataset {
  examples: InstructionExample[];
  fingerprint: string;
}
