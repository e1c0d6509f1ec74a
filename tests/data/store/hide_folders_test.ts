import assert from "node:assert/strict";
import { hideFolders } from "../../../data/store/hide_folders.ts";

Deno.test("hideFolders() leaves the last part of absolute paths", () => {
  const cases: Record<string, string> = {
    "/data/models/tiny": "tiny",
    "/model": "model",
    "helpful=/data/a.jsonl+/data/b.jsonl,harmless=/c/d.jsonl":
      "helpful=a.jsonl+b.jsonl,harmless=d.jsonl",
    'base_model: "/data/models/tiny"': 'base_model: "tiny"',
    "Cannot read /data/a.jsonl: expected a file, got none":
      "Cannot read a.jsonl: expected a file, got none",
    "| dataset | /data/a.jsonl |": "| dataset | a.jsonl |",
    "(/a/b/c)": "(c)",
    [`a=/hf/hub/datasets--me--my-data/snapshots/${"0a".repeat(20)}/x:test+/data/b.jsonl`]:
      "a=me/my-data/x:test+b.jsonl",
    [`/hf/hub/models--me--m/snapshots/${"0a".repeat(20)}`]: "me/m",
    [`/hf/hub/models--me--m/snapshots/${"0a".repeat(5)}`]: "0a0a0a0a0a",
    "/data/größe/ü.jsonl": "ü.jsonl",
  };
  for (const [text, expected] of Object.entries(cases)) assert.equal(hideFolders(text), expected);
});

Deno.test("hideFolders() leaves relative paths, names and addresses as they are", () => {
  for (
    const text of [
      "owner/name",
      "runs/first",
      "../models/tiny",
      "~/models/tiny",
      "https://host/a/b",
      "![front](fronts/final.svg)",
      "12 / 4 tokens/s",
      "",
    ]
  ) assert.equal(hideFolders(text), text);
});
