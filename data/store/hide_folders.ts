// What is shown over HTTP names no place on this machine: absolute paths keep only their last part.

// Not inside a word or an address: `a/b`, `https://host/path` and `../x` stay as they are.
const ABSOLUTE_FOLDER = /(?<![\p{L}\p{N}_.:/~-])\/(?:[^\s/,+"'`()<>|]+\/)*(?=[^\s/])/gu;

/** The text with the folders of absolute paths cut off: `helpful=/data/a.jsonl` → `helpful=a.jsonl`. */
export function hideFolders(text: string): string {
  return text.replace(ABSOLUTE_FOLDER, "");
}
