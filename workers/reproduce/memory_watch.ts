// The largest resident memory of this process while something runs, looked at as often as the event
// loop lets it: between two steps the native engine still holds what the step took.

const EVERY_MS = 200;

/** Watches until stopped; `stop` gives the largest resident set seen, in bytes, and may be repeated. */
export function watchMemory(): { stop(): number } {
  let peak = Deno.memoryUsage().rss;
  const look = () => {
    peak = Math.max(peak, Deno.memoryUsage().rss);
  };
  const timer = setInterval(look, EVERY_MS);
  Deno.unrefTimer(timer);
  let stopped = false;
  return {
    stop() {
      if (!stopped) look();
      stopped = true;
      clearInterval(timer);
      return peak;
    },
  };
}
