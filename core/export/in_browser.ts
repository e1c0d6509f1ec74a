// What the page beside an exported ONNX model reads first: panacea_browser.json. Written by
// workers/export_formats.ts, read by routes/page/offline.
import type { DecoderConfig } from "../models/config.ts";

export const IN_BROWSER = "panacea_browser.json";

/** A model that runs in a browser. */
export interface InBrowser {
  name: string; // of the adapter
  base: string;
  dimensions: string[];
  dtype: string; // how its weights are stored
  config: DecoderConfig;
  /** Names in the folder. */
  graph: string;
  weights: { name: string; bytes: number };
}
