// The real model's tokenizer, for tests that need it.
import { gguf } from "@huggingface/gguf";
import { type ChatTokenizer, createTokenizer } from "../../../core/text/tokenizer.ts";

/** Path of SmolLM2-135M-Instruct as GGUF, or undefined where this machine has none. */
export const smolLm2Path: string | undefined = findFile(Deno.env.get("PANACEA_SMOLLM2_GGUF"));

/** Folder of the shared sample data beside the repository, or undefined where there is none. */
export const sharedData: string | undefined = findFile(
  new URL("../../../../shared/data/", import.meta.url).pathname,
);

/** Why a test that needs the real model is skipped. */
export const needsModel = smolLm2Path ? "" : " (skipped: PANACEA_SMOLLM2_GGUF names no file)";

/** Why a test that needs the shared data is skipped. */
export const needsData = sharedData ? "" : " (skipped: no shared/data beside the repository)";

/** The tokenizer of SmolLM2-135M-Instruct, from the metadata of its GGUF file. */
export async function smolLm2Tokenizer(): Promise<ChatTokenizer> {
  const { metadata } = await gguf(smolLm2Path ?? "", { allowLocalFile: true });
  return createTokenizer(
    { kind: "gguf", metadata: Object.fromEntries(Object.entries(metadata)) },
    { vocabSize: 49152, eosTokenIds: [2] },
  );
}

function findFile(path: string | undefined): string | undefined {
  try {
    if (path) Deno.statSync(path);
    return path || undefined;
  } catch {
    return undefined;
  }
}
