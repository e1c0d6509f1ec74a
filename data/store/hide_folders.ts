// What is shown over HTTP names no place on this machine: absolute paths keep only their last part.

// Not inside a word or an address: `a/b`, `https://host/path` and `../x` stay as they are.
const ABSOLUTE_FOLDER = /(?<![\p{L}\p{N}_.:/~-])\/(?:[^\s/,+"'`()<>|]+\/)*(?=[^\s/])/gu;

// What lies in the hub's cache is called as it is on the hub.
const HUB_SNAPSHOT =
  /(?<![\p{L}\p{N}_.:/~-])\/(?:[^\s/,+"'`()<>|]+\/)*(?:models|datasets)--([\w.-]+?)--([\w.-]+)\/snapshots\/[0-9a-f]{40}/gu;

/** The text with the folders of absolute paths cut off: `helpful=/data/a.jsonl` → `helpful=a.jsonl`. */
export function hideFolders(text: string): string {
  return text.replace(HUB_SNAPSHOT, "$1/$2").replace(ABSOLUTE_FOLDER, "");
}
