// The app of routes/app.ts with everything in memory, to be called without a listener.
import { createApp } from "../../routes/app.ts";
import type { AppOptions, LogLine } from "../../routes/context.ts";
import { ServeConfig } from "../../workers/serve_config.ts";
import { memoryChat, memoryService } from "./memory_service.ts";

/** An app and the lines it logs. */
export function appOf(
  { config = {}, ...options }:
    & Partial<Omit<AppOptions, "config">>
    & { config?: Partial<ServeConfig> } = {},
) {
  const lines: LogLine[] = [];
  const app = createApp({
    service: memoryService(),
    chat: memoryChat(),
    version: "0.0.0",
    log: (line) => lines.push(line),
    config: ServeConfig.parse(config),
    ...options,
  });
  return { app, lines };
}

/** A request with a JSON body. */
export function json(body: unknown, method = "POST"): RequestInit {
  return {
    method,
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  };
}
