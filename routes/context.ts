// What every route of the web process may use: the two interfaces it answers from, the server's
// settings, and what lives as long as the server does. app.ts puts it together; a file per resource
// takes it as `parts`.
import type { HttpBindings } from "@hono/node-server";
import type { ServeConfig } from "../workers/serve_config.ts";
import type { ChatService, Service } from "../workers/service.ts";
import type { Directory } from "./directory.ts";
import type { Drain } from "./drain.ts";
import type { Metrics } from "./metrics.ts";

/** The settings of a server that its web process reads. */
export type WebConfig = Pick<
  ServeConfig,
  | "host"
  | "allowed_hosts"
  | "body_limit_bytes"
  | "stalled_reader_seconds"
  | "stream_buffer_bytes"
  | "drain_seconds"
>;

/** A file that is served as it is. */
export interface StaticFile {
  type: string; // media type
  bytes: Uint8Array;
}

/** One line of the log, as JSON. */
export type LogLine = Record<string, string | number | boolean | null>;

/** What an app is made of. */
export interface AppOptions {
  service: Service;
  chat: ChatService;
  config: WebConfig;
  /** Wanted of every caller where it is given. */
  apiKey?: string;
  /** The page and what it needs, by the path they are served at: `/`, `/app.js`, … */
  files?: Record<string, StaticFile>;
  version: string;
  log: (line: LogLine) => void;
}

/** What routes share. */
export interface Parts extends AppOptions {
  files: Record<string, StaticFile>;
  directory: Directory;
  drain: Drain;
  metrics: Metrics;
}

/** Hono's types for this app: node's request and response are there unless a test calls it. */
export interface AppEnv {
  Bindings: Partial<HttpBindings>;
  Variables: {
    requestId: string;
    started: number; // milliseconds, of performance.now()
    /** Resolves when a streamed answer has ended; its log line waits for it. */
    streamed?: Promise<void>;
  };
}
