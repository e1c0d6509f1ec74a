// Names of adapters as they cross HTTP, the command line and the disk. A name that passes here is a
// single plain folder name: no separator, no leading or doubled dot, nothing that a URL, a shell or
// a log line reads otherwise. adapters.ts turns it into a folder.
import { z } from "zod";

/** Name of an adapter (and of the run that made it): a folder directly under the runs folder. */
export const AdapterId = z.string().max(100).regex(
  /^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$/,
)
  .describe("name of an adapter: a folder under the runs folder");
