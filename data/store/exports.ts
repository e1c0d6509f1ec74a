// Folders that `export` writes for other tools: where one may go, and panacea_export.json, which tells
// what it is made of. The files are written by atomic.ts and model_folder.ts.
import { z } from "zod";
import { encodeJson } from "./json.ts";
import { prepareOutput } from "./output_folder.ts";

export const EXPORT_RECORD = "panacea_export.json";

/** The one schema of panacea_export.json. */
export const ExportRecord = z.strictObject({
  format: z.literal("panacea-export"),
  version: z.literal(1),
  kind: z.string().describe("format of the files beside this one"),
  adapter: z.string().describe("name of the adapter"),
  adapter_sha256: z.string().describe("of its parameters"),
  base_model: z.string().describe("folder or hub id, without the folders around it"),
  base_fingerprint: z.string().describe("hash of the base model's weights and configuration"),
  dimensions: z.array(z.string()).describe("names of the entries of λ"),
  preference: z.array(z.number()).nullable().describe("the λ of the files; null: any, by scales"),
  loras: z.array(z.strictObject({
    scale: z.string().nullable().describe("dimension whose λ is its scale; null: its scale is 1"),
    rank: z.number().int().positive(),
    gguf: z.string().describe("file for llama.cpp"),
    peft: z.string().describe("folder for PEFT"),
  })).optional().describe("LoRAs to be loaded together, in this order"),
});
export type ExportRecord = z.infer<typeof ExportRecord>;

/** The bytes of panacea_export.json. */
export function encodeExportRecord(record: ExportRecord): string {
  return encodeJson(ExportRecord.parse(record), { name: EXPORT_RECORD }) + "\n";
}

/** Makes sure that an export may be written at `path`; throws as prepareOutput. */
export async function prepareExport(path: string): Promise<void> {
  await prepareOutput(path, { record: EXPORT_RECORD, what: "export" });
}
