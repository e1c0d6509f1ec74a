// The listener: Hono on node:http, which under Deno closes connections that send their headers, body
// or nothing at all too slowly, where Deno.serve waits for ever. Limits that HTTP itself has are set
// here; those of a request are in security.ts, those of a stream in outbox.ts.
import type { Server, ServerOptions } from "node:http";
import type { Duplex } from "node:stream";
import { createAdaptorServer } from "@hono/node-server";
import type { ServeConfig } from "../workers/serve_config.ts";
import type { App } from "./app.ts";

/** What a listener is told; `host` and `port` as the operating system takes them. */
export type ListenerConfig = Pick<
  ServeConfig,
  "host" | "port" | "header_timeout_seconds" | "body_timeout_seconds" | "idle_timeout_seconds"
>;

/** A server that takes requests. */
export interface Listener {
  host: string;
  port: number;
  /** Takes no new connection; resolves when every open answer has ended. */
  close(): Promise<void>;
}

const MOST_CONNECTIONS = 1024;
const MOST_HEADER_BYTES = 16 * 1024;
const CHECK_EVERY_MS = 500;
const KEEP_ALIVE_BUFFER_MS = 1000;
const LINGER_MS = 500;

/** Starts to listen; rejects where the address is taken or not ours. */
export function listen(app: Pick<App, "fetch">, config: ListenerConfig): Promise<Listener> {
  const serverOptions: ServerOptions = {
    // Late by at most the interval of the check, and by node's own second for a connection in use.
    headersTimeout: Math.max(1, config.header_timeout_seconds * 1000 - CHECK_EVERY_MS),
    requestTimeout: Math.max(1, config.body_timeout_seconds * 1000 - CHECK_EVERY_MS),
    keepAliveTimeout: Math.max(1, config.idle_timeout_seconds * 1000 - KEEP_ALIVE_BUFFER_MS),
    // Half-sent requests are looked for so often; without it they are not closed under Deno.
    connectionsCheckingInterval: CHECK_EVERY_MS,
    maxHeaderSize: MOST_HEADER_BYTES,
  };
  const server = createAdaptorServer({
    fetch: (request, env) => app.fetch(request, env as Parameters<App["fetch"]>[1]),
    serverOptions,
  }) as Server;
  server.maxConnections = MOST_CONNECTIONS;
  server.on("clientError", refuse);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(config.port, config.host, () => {
      server.off("error", reject);
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : config.port;
      resolve({ host: config.host, port, close: () => closeServer(server) });
    });
  });
}

/**
 * Answers what is no request. The connection stays for a moment, its input thrown away: closed at
 * once, what the client still sends would make it lose the answer.
 */
function refuse(error: Error & { code?: string }, socket: Duplex): void {
  const status = statuses[error.code ?? ""] ?? "400 Bad Request";
  if (!socket.writable) return void socket.destroy();
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  socket.resume();
  setTimeout(() => socket.destroy(), LINGER_MS);
}

const statuses: Partial<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

/** Connections that are between two requests are closed at once, the others a moment later. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // Every answer has ended by now; one that followed a stream on its connection still counts as
    // open under Deno, and would for ever.
    const rest = setTimeout(() => server.closeAllConnections(), CHECK_EVERY_MS);
    server.close(() => {
      clearTimeout(rest);
      resolve();
    });
    server.closeIdleConnections();
  });
}
