// Calls between threads over a MessagePort: a table of functions on one side, a client on the
// other. A function answers with a value or with a stream; both can be aborted from the calling
// side, and errors keep their class. Every thread of the service speaks through this file alone.
import * as errors from "../core/errors.ts";

/** What a thread offers: plain data in; plain data, or a stream of it, out. */
export type Handlers = Record<
  string,
  // deno-lint-ignore no-explicit-any -- each handler knows its own argument; connect() types it
  (argument: any, signal: AbortSignal) => unknown
>;

/** Either end of a channel: a MessagePort, a Worker, or a worker's own global scope. */
export interface Port {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  removeEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  start?(): void;
}

type Request =
  | { rpc: "call"; id: number; method: string; argument: unknown }
  | { rpc: "abort"; id: number };
type Answer =
  | { rpc: "value"; id: number; value: unknown }
  | { rpc: "item"; id: number; value: unknown }
  | { rpc: "end"; id: number }
  | { rpc: "error"; id: number; error: PlainError };

interface PlainError {
  name: string;
  message: string;
  retryAfterSeconds?: number;
}

/** Answers calls that come in on `port` until the returned function is called. */
export function answer(port: Port, handlers: Handlers): () => void {
  const running = new Map<number, AbortController>();

  async function run({ id, method, argument }: Request & { rpc: "call" }): Promise<void> {
    const controller = new AbortController();
    running.set(id, controller);
    const send = (message: Answer) => port.postMessage(message);
    try {
      const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
      if (handler === undefined) throw new TypeError(`Cannot call ${method}: no such method`);
      const result = handler(argument, controller.signal);
      if (isStream(result)) {
        for await (const value of result) send({ rpc: "item", id, value });
        send({ rpc: "end", id });
      } else {
        send({ rpc: "value", id, value: await result });
      }
    } catch (error) {
      send({ rpc: "error", id, error: toPlain(error) });
    } finally {
      running.delete(id);
    }
  }

  const listener = ({ data }: MessageEvent) => {
    if (data?.rpc === "call") void run(data);
    else if (data?.rpc === "abort") {
      running.get(data.id)?.abort(new DOMException("The caller left", "AbortError"));
    }
  };
  port.addEventListener("message", listener);
  port.start?.();
  return () => {
    port.removeEventListener("message", listener);
    running.forEach((controller) => controller.abort());
  };
}

/** The calling side of a port. */
export interface Client {
  /** Calls a method that answers with a value. */
  call<T>(method: string, argument?: unknown, signal?: AbortSignal): Promise<T>;
  /** Calls a method that answers with a stream; leaving the loop early aborts it there. */
  stream<T>(method: string, argument: unknown, signal?: AbortSignal): AsyncGenerator<T>;
  /** Ends every open call with `reason`, and every later one: the other side is gone. */
  fail(reason: Error): void;
}

let nextId = 1;

/** Makes calls over `port`. */
export function connect(port: Port): Client {
  const open = new Map<number, (message: Answer) => void>();
  let failure: Error | undefined;
  port.addEventListener("message", ({ data }: MessageEvent) => {
    if (["value", "item", "end", "error"].includes(data?.rpc)) open.get(data.id)?.(data);
  });
  port.start?.();

  /** Sends a call; `receive` gets its answers, and an error should the other side be lost. */
  function begin(
    { method, argument, signal }: { method: string; argument: unknown; signal?: AbortSignal },
    receive: (message: Answer) => void,
  ) {
    const id = nextId++;
    const abort = () => port.postMessage({ rpc: "abort", id } satisfies Request);
    const close = () => {
      open.delete(id);
      signal?.removeEventListener("abort", abort);
    };
    open.set(id, receive);
    if (failure) {
      receive({ rpc: "error", id, error: toPlain(failure) });
    } else {
      port.postMessage({ rpc: "call", id, method, argument } satisfies Request);
      if (signal?.aborted) abort();
      else signal?.addEventListener("abort", abort, { once: true });
    }
    return { abort, close };
  }

  return {
    call<T>(method: string, argument?: unknown, signal?: AbortSignal): Promise<T> {
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      const { close } = begin({ method, argument, signal }, (message) => {
        if (message.rpc === "value") resolve(message.value as T);
        else if (message.rpc === "error") reject(fromPlain(message.error));
        else return;
        queueMicrotask(() => close());
      });
      return promise;
    },

    async *stream<T>(method: string, argument: unknown, signal?: AbortSignal) {
      const waiting: Answer[] = [];
      let wake = () => {};
      const { abort, close } = begin({ method, argument, signal }, (message) => {
        waiting.push(message);
        wake();
      });
      let ended = false;
      try {
        while (true) {
          const message = waiting.shift();
          if (message === undefined) await new Promise<void>((resolve) => wake = resolve);
          else if (message.rpc === "item") yield message.value as T;
          else {
            ended = true;
            if (message.rpc === "error") throw fromPlain(message.error);
            return;
          }
        }
      } finally {
        if (!ended) abort();
        close();
      }
    },

    fail(reason) {
      failure = reason;
      for (const [id, receive] of open) receive({ rpc: "error", id, error: toPlain(reason) });
    },
  };
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

function toPlain(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message } = error;
  const { retryAfterSeconds } = error as Partial<errors.OverloadedError>;
  return { name, message, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
}

function fromPlain({ name, message, retryAfterSeconds }: PlainError): Error {
  const kinds: Record<string, new (message: string, options?: object) => Error> = { ...errors };
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (kind !== undefined) return new kind(message, { retryAfterSeconds });
  if (name === "AbortError") return new DOMException(message, name);
  const error = new Error(message);
  error.name = name;
  return error;
}
