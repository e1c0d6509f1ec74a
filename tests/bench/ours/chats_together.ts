// Chats at as many λ at once beside the same one after another, by turns, prompts included; one JSON
// line of seconds per generated token per iteration. A process of its own; the first iteration warms
// up and is for the reader to leave out.
import { parseArgs } from "node:util";
import { printResult } from "../../../commands/output.ts";
import { runChats } from "./chats.ts";
import { openDecoding, spreadPreferences } from "./decoding.ts";

const ITERATIONS = 4;
const PROMPT = 32; // a question in its template
const TOKENS = 128; // a short answer

const { values } = parseArgs({
  options: { format: { type: "string" }, chats: { type: "string" }, model: { type: "string" } },
});
const decoding = await openDecoding(values);
const preferences = spreadPreferences(Number(values.chats));
const lengths = { prompt: PROMPT, tokens: TOKENS };
const kinds = { together: [preferences], alone: preferences.map((preference) => [preference]) };
for (let i = 0; i < ITERATIONS; i++) {
  const seconds = { together: 0, alone: 0 };
  const turns = i % 2 === 0 ? (["together", "alone"] as const) : (["alone", "together"] as const);
  for (const kind of turns) {
    const start = performance.now();
    for (const batch of kinds[kind]) await runChats(decoding, { preferences: batch, ...lengths });
    seconds[kind] = (performance.now() - start) / 1000 / (preferences.length * TOKENS);
  }
  printResult(seconds);
}
await decoding.decoder.dispose();
