// Ctrl-C and SIGTERM as an AbortSignal: a session saves and returns when it is aborted.
import { Interruption, signalCodes } from "./outcome.ts";

/** Aborted by the first SIGINT or SIGTERM; a second one, a second or more later, leaves at once. */
export function listenForSignals(): AbortSignal {
  const controller = new AbortController();
  let leaveOnNext = false;
  // One Ctrl-C reaches us twice under `deno task`: from the terminal and passed on by the task.
  // The second timer lets a signal that waited for the end of a long step come in before it counts.
  const countTheNext = () => setTimeout(() => setTimeout(() => leaveOnNext = true, 100), 1000);
  for (const [name, code] of Object.entries(signalCodes) as [keyof typeof signalCodes, number][]) {
    if (Deno.build.os === "windows" && name === "SIGTERM") continue; // not deliverable there
    Deno.addSignalListener(name, () => {
      if (leaveOnNext) Deno.exit(code);
      if (!controller.signal.aborted) countTheNext();
      controller.abort(new Interruption(name));
    });
  }
  return controller.signal;
}
