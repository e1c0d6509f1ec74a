// A Worker's own side of threads.ts: says that it is ready and waits for its first message.
import type { z } from "zod";
import type { Ready } from "./threads.ts";

/** What of a Worker's global scope its modules use; Deno's types know the window's only. */
interface WorkerScope {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

/** The scope of the Worker that this module is loaded in. */
export const workerScope = globalThis as unknown as WorkerScope;

/**
 * Says that this Worker can be spoken to, and gives its init message. To be called once all modules
 * are loaded, thus from a module without top-level await. Later messages go to `onLater`.
 */
export function awaitInit<S extends z.ZodType>(
  schema: S,
  onLater: (message: unknown) => void = () => {},
): Promise<z.output<S>> {
  const init = Promise.withResolvers<z.output<S>>();
  let first = true;
  workerScope.addEventListener("message", ({ data }) => {
    if (!first) return onLater(data);
    first = false;
    const parsed = schema.safeParse(data);
    if (parsed.success) init.resolve(parsed.data);
    else init.reject(parsed.error);
  });
  workerScope.postMessage({ type: "ready" } satisfies Ready);
  return init.promise;
}
