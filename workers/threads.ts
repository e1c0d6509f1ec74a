// What the supervisor and its Workers say to each other outside of calls (workers/rpc.ts): the first
// message of each Worker, with its ports, and the few words that follow. A Worker posts
// {type: "ready"} once its modules are loaded, gets its init message, and checks it with the schema
// here. A Worker keeps its ports: when it is gone, they close, which is how its end is noticed.
import { z } from "zod";
import { ServeConfig } from "./serve_config.ts";

const port = () => z.custom<MessagePort>((value) => value instanceof MessagePort);

/** Said by every Worker when it can be spoken to; what is posted before that is lost. */
export interface Ready {
  type: "ready";
}

/**
 * First message to the web Worker. `service` answers the methods of Service, `chat` those of
 * ChatService. `files` are static files by URL path, read by the supervisor. `apiKey` null: none
 * is asked for, which the supervisor allows on loopback addresses only.
 */
export const WebInit = z.strictObject({
  type: z.literal("init"),
  config: ServeConfig,
  service: port(),
  chat: port(),
  files: z.record(
    z.string(),
    z.strictObject({
      type: z.string(),
      bytes: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
    }),
  ),
  apiKey: z.string().min(1).nullable(),
});
export type WebInit = z.infer<typeof WebInit>;

/**
 * Later messages to the web Worker.
 * `chat`: the chat Worker died; a new one will answer on this port. Open calls on the old port are
 * to be failed with `reason`.
 * `drain`: /ready answers 503 from now on and new work is refused (503); streams go on. Once no
 * response is open, the Worker posts {type: "drained"}; streams that outlive the time allowed are
 * ended by their sources (a chat's end has the reason "shutdown", a watched job's stream ends).
 */
export type ToWeb =
  | WebInit
  | { type: "chat"; port: MessagePort; reason: string }
  | { type: "drain" };

/** What the web Worker says: after init `listening` or `failed` (port in use …), in one sentence. */
export type FromWeb =
  | Ready
  | { type: "listening"; address: { host: string; port: number } }
  | { type: "failed"; message: string }
  /** One line of JSON per answered request. */
  | { type: "log"; line: string }
  | { type: "drained" };

/** Environment variables that a Worker is told of, by name: it has no permission to read others. */
export const Variables = z.record(z.string(), z.string());
export type Variables = z.infer<typeof Variables>;

/**
 * First message to the chat Worker. It answers ChatService both on `web` and on `supervisor`, and
 * may call the methods of ModelSource on `supervisor`. `variables` name the caches of models
 * (hubOptions(); HF_HUB_OFFLINE is set, it has no network). Graphs and quantised weights are kept
 * in `graphs`, the one folder it may write.
 */
export const ChatInit = z.strictObject({
  type: z.literal("init"),
  config: ServeConfig,
  web: port(),
  supervisor: port(),
  variables: Variables,
  graphs: z.string(),
});
export type ChatInit = z.infer<typeof ChatInit>;

/**
 * Later messages to the chat Worker.
 * `web`: the web Worker died; a new one calls on this port. Chats of the old port are cancelled.
 * `drain`: chats that come in from now on are refused (OverloadedError); running and waiting ones
 * go on.
 * `finish`: the time is over; running and waiting chats end now, with the reason "shutdown".
 */
export type ToChat =
  | ChatInit
  | { type: "web"; port: MessagePort }
  | { type: "drain" }
  | { type: "finish" };

/** What the supervisor answers to the chat Worker. */
export interface ModelSource {
  /**
   * Resolves when the model of a stored adapter lies in the model cache, after a download where it
   * was missing; at once for folders and files. Rejects with InputError where it cannot be had.
   */
  presentModel(model: { name: string; revision: string }): Promise<void>;
}

/** First message to a job Worker and to a fetch Worker; all else are calls on the port. */
export const PortInit = z.strictObject({ type: z.literal("init"), port: port() });
export type PortInit = z.infer<typeof PortInit>;
