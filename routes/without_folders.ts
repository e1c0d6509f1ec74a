// Answers name files, never where they lie: whatever text a stored setting, an event or an error
// holds, its absolute paths are cut to their last part before it leaves the server.
import { hideFolders } from "../data/store/hide_folders.ts";

/** The same plain data with the folders of absolute paths cut off in every string. */
export function withoutFolders<T>(value: T): T {
  return strip(value) as T;
}

function strip(value: unknown): unknown {
  if (typeof value === "string") return hideFolders(value);
  if (Array.isArray(value)) return value.map(strip);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, strip(item)]));
}
