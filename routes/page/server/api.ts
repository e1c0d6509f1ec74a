// Requests to the server this page came from: the API key where one is wanted, JSON in and out,
// streams of events, and errors as one sentence. The only place of the page that calls fetch.
import { signal } from "@preact/signals";
import { readEvents, type ServerEvent } from "./event_stream.ts";

const KEY = "panacea-api-key"; // in sessionStorage: gone when the tab is closed

/** What went wrong, as a sentence for people. `status` 0: no answer came. */
export class RequestError extends Error {
  override name = "RequestError";
  constructor(
    readonly status: number,
    message: string,
    /** Seconds that the server asks to wait, where it does. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

/** How a request differs from a plain GET. `body` is sent as JSON. */
export interface RequestOptions {
  method?: "GET" | "POST" | "DELETE";
  body?: unknown;
  signal?: AbortSignal;
  accept?: string;
}

/** Whether the server waits for an API key; the dialog of key_dialog.tsx shows while it is true. */
export const keyWanted = signal(false);
/** Whether the last key given was refused. */
export const keyRefused = signal(false);
/** Whether requests carry a key: commands for other programs then show where it goes. */
export const keyHeld = signal(sessionStorage.getItem(KEY) !== null);

let waiting: ((key: string | null) => void)[] = [];

/** Answers the wait for a key; null: the user has none. */
export function giveKey(key: string | null): void {
  if (key !== null) sessionStorage.setItem(KEY, key);
  keyHeld.value = sessionStorage.getItem(KEY) !== null;
  keyWanted.value = false;
  const resolvers = waiting;
  waiting = [];
  for (const resolve of resolvers) resolve(key);
}

/** The answer to a request, its status below 400; throws RequestError, or the signal's reason. */
export async function send(path: string, options: RequestOptions = {}): Promise<Response> {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const response = await fetchOnce(path, options, key);
    if (response.status === 401) {
      await response.body?.cancel();
      // Another request may have brought a new key meanwhile.
      if (sessionStorage.getItem(KEY) !== key) continue;
      keyRefused.value = key !== null;
      if (await askForKey() !== null) continue;
      throw new RequestError(401, "This server wants its API key");
    }
    if (response.ok) return response;
    throw await describeFailure(response);
  }
}

/** The JSON of an answer. */
export async function getJson<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const response = await send(path, { accept: "application/json", ...options });
  return await response.json() as T;
}

/** The events of an answer as they come. */
export async function* getEvents(
  path: string,
  options: RequestOptions = {},
): AsyncGenerator<ServerEvent> {
  const { body } = await send(path, { accept: "text/event-stream", ...options });
  if (body === null) return;
  try {
    yield* readEvents(body);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new RequestError(0, "The connection to the server broke off");
  }
}

/** Any error as a sentence for people. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function fetchOnce(
  path: string,
  { method = "GET", body, signal, accept }: RequestOptions,
  key: string | null,
): Promise<Response> {
  const headers = new Headers();
  if (accept !== undefined) headers.set("accept", accept);
  if (body !== undefined) headers.set("content-type", "application/json");
  if (key !== null) headers.set("authorization", `Bearer ${key}`);
  const text = body === undefined ? undefined : JSON.stringify(body);
  try {
    return await fetch(path, { method, headers, body: text, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new RequestError(0, "The server does not answer. Is it still running?");
  }
}

function askForKey(): Promise<string | null> {
  keyWanted.value = true;
  return new Promise((resolve) => waiting.push(resolve));
}

/** The sentence of a problem+json answer (RFC 9457), or the status where there is none. */
async function describeFailure(response: Response): Promise<RequestError> {
  const text = await response.text().catch(() => "");
  const wait = Number(response.headers.get("retry-after") ?? NaN);
  const retryAfter = Number.isFinite(wait) ? wait : null;
  const sentence = detailOf(text) ?? `The server answered with status ${response.status}`;
  return new RequestError(response.status, sentence, retryAfter);
}

function detailOf(text: string): string | null {
  try {
    const { detail, title } = JSON.parse(text) as { detail?: unknown; title?: unknown };
    if (typeof detail === "string" && detail !== "") return detail;
    return typeof title === "string" && title !== "" ? title : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null; // not JSON: a proxy's own page, perhaps
    throw error;
  }
}
