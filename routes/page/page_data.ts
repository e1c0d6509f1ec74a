// What the page knows of our schemas before it asks the server: written into index.html as a JSON
// block by assemble.ts, so that the bundle carries no schema library.

/** One setting of a run, as JSON Schema describes it. */
export interface SettingSchema {
  type: "string" | "number" | "integer" | "boolean";
  description?: string;
  default?: string | number | boolean;
  enum?: string[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
}

/** Named settings that lie underneath the user's. */
export interface Preset {
  description: string;
  values: Record<string, string | number | boolean>;
}

export interface PageData {
  settings: Record<string, SettingSchema>; // of core/config RunConfig, output_dir left out
  presets: Record<string, Preset>;
  builtinPresets: Record<string, string>; // by objective: the preset of the built-in world
  metrics: Record<string, string>; // what a front's values are: name → words
  version: string;
}

export const BLOCK = "page-data";

/** What of a document is looked at: tests of other rooms have no DOM. */
interface Blocks {
  getElementById(id: string): { textContent: string | null } | null;
}

/** The block of the document; throws where assemble.ts left none. */
export function readPageData(document: Blocks): PageData {
  const text = document.getElementById(BLOCK)?.textContent;
  if (!text) throw new TypeError("Cannot start the page: expected its data block, got none");
  return JSON.parse(text) as PageData;
}
