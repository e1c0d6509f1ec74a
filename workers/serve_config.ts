// The one schema of `deno task serve`: flags, their help and every limit of the service derive from
// it. The supervisor parses it once and hands it to the web and chat Workers in their first message.
import { z } from "zod";

const count = () => z.number().int().positive();
const seconds = () => z.number().positive().max(86_400);

/** Everything that determines a server, except the API key, which is never a flag. */
export const ServeConfig = z.strictObject({
  // where it listens and what it serves
  host: z.string().default("127.0.0.1").describe(
    "address to listen on; any other than a loopback address needs PANACEA_API_KEY",
  ),
  port: z.number().int().min(0).max(65_535).default(8000).describe(
    "port to listen on; 0 takes a free one",
  ),
  runs: z.string().default("runs").describe("folder of the runs, each one an adapter"),
  files: z.string().optional().describe(
    "folder that models and data sets named in requests lie in; default: none, only `builtin` and hub ids",
  ),
  allowed_hosts: z.string().default("").describe(
    "comma-separated host names that requests may name besides the address listened on",
  ),

  // chat
  chat_format: z.enum(["int8", "int4", "float32"]).default("int8").describe(
    "how the chat holds the base model's weights",
  ),
  chat_queue: z.number().int().nonnegative().default(64).describe(
    "chats that may wait for a place in the batch; more are answered 429",
  ),
  chat_batch: count().max(256).default(32).describe("chats that share a decode step"),
  chat_cache_mb: count().default(1024).describe(
    "memory for the keys and values of running chats, in MiB",
  ),
  prefix_cache_mb: z.number().int().nonnegative().default(256).describe(
    "memory for the keys and values of prompts met before, in MiB; 0 switches off",
  ),

  // limits of a connection
  body_limit_bytes: count().default(2 ** 20).describe("largest request body, in bytes"),
  header_timeout_seconds: seconds().default(10).describe("until a request's headers are in"),
  body_timeout_seconds: seconds().default(30).describe("until a request's body is in"),
  idle_timeout_seconds: seconds().default(75).describe("until an unused connection is closed"),
  stalled_reader_seconds: seconds().default(20).describe(
    "until a stream is cut whose client stopped reading",
  ),
  stream_buffer_bytes: count().default(256 * 1024).describe(
    "most bytes held for a client that reads slowly",
  ),
  drain_seconds: seconds().max(600).default(15).describe(
    "after SIGTERM: until streams and training that have not ended are cut",
  ),
});
export type ServeConfig = z.infer<typeof ServeConfig>;

/** Whether `host` names this machine alone: such a server may go without an API key. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" ||
    /^127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(host);
}
