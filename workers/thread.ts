// One Worker of the service as the supervisor holds it: started with its permissions, spoken to once
// it is ready, and watched. Deno tells nobody that a Worker ended by itself, but its ports close.
import { MessageChannel } from "node:worker_threads";
import type { Permissions } from "./permissions.ts";
import type { Port } from "./rpc.ts";

/** A running Worker. */
export interface Thread {
  /** Resolves with the reason, in one sentence, once the Worker is gone. */
  readonly ended: Promise<string>;
  post(message: unknown, transfer?: Transferable[]): void;
  /** Called with each message that comes outside of the ports. */
  onMessage(listener: (message: unknown) => void): void;
  /** Ends the Worker at once. */
  stop(): void;
}

/** A channel between the supervisor and a Worker. */
export interface Line {
  /** The supervisor's end; it closes when the Worker is gone. */
  near: Port & { on(event: "close", listener: () => void): void };
  /** The Worker's end, to be transferred. */
  far: MessagePort;
}

/** Time for the error that a Worker died of to arrive behind the end of its port. */
const LAST_WORDS_MS = 50;

/**
 * Starts the module `url` as a Worker and waits until it says {type: "ready"}. Without `permissions`
 * it has those of this thread. Throws where it ends before that: a module that cannot be loaded.
 */
export async function startThread(
  url: URL,
  { name, permissions }: { name: string; permissions?: Permissions },
): Promise<Thread & { watch(line: Line): void }> {
  const worker = new Worker(url, {
    type: "module",
    name,
    deno: { permissions: permissions ?? "inherit" },
  });
  const end = Promise.withResolvers<string>();
  const ready = Promise.withResolvers<void>();
  worker.addEventListener("error", (event) => {
    event.preventDefault(); // it ends this Worker, not the server
    end.resolve(`the ${name} thread failed: ${firstLine(event.message)}`);
  });
  worker.addEventListener("message", ({ data }) => {
    if (data?.type === "ready") ready.resolve();
  });
  const failed = end.promise.then((reason) => Promise.reject(new Error(reason)));
  await Promise.race([ready.promise, failed]);
  failed.catch(() => {});
  return {
    ended: end.promise,
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    onMessage: (listener) => worker.addEventListener("message", ({ data }) => listener(data)),
    stop() {
      end.resolve(`the ${name} thread was stopped`);
      worker.terminate();
    },
    watch({ near }) {
      near.on("close", () => {
        setTimeout(() => end.resolve(`the ${name} thread ended by itself`), LAST_WORDS_MS);
      });
    },
  };
}

/** A new channel. Node's kind is taken because its ports say when the other side is gone. */
export function openLine(): Line {
  const { port1, port2 } = new MessageChannel();
  return { near: port1 as unknown as Line["near"], far: port2 as unknown as MessagePort };
}

function firstLine(message: string): string {
  return message.replace(/^Uncaught (\(in promise\) )?/, "").split("\n")[0] ?? "";
}
