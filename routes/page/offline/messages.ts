// What the page and its Worker tell each other.
import type { InBrowser } from "../../../core/export/in_browser.ts";
import type { EndReason } from "../../../core/generate/request.ts";

/** Where the model's files lie: beside the page, or in a folder that was chosen. */
export type Source = { address: string } | { files: File[] };

/** What is asked for under one λ. */
export interface Question {
  key: number;
  text: string;
  preference: number[];
  temperature: number;
  maxTokens: number;
  seed: number;
}

export type ToWorker =
  | { type: "load"; source: Source }
  | { type: "ask"; question: Question }
  | { type: "stop" };

export type FromWorker =
  | { type: "progress"; what: string; done: number; total: number }
  | { type: "ready"; model: InBrowser }
  | { type: "text"; key: number; text: string }
  | { type: "end"; key: number; reason: EndReason; tokens: number; seconds: number }
  | { type: "failed"; key: number | null; message: string };
