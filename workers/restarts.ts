// How often a Worker that dies is started again: a few times, so that an accident is forgotten, but
// not for ever, so that one that cannot live does not spin.

const MOST = 5;
const WINDOW_MS = 60_000;

/** Counts deaths: true while a Worker may be started again. */
export function createRestarts(now: () => number = () => performance.now()): () => boolean {
  let deaths: number[] = [];
  return () => {
    const time = now();
    deaths = [...deaths.filter((death) => time - death < WINDOW_MS), time];
    return deaths.length <= MOST;
  };
}
