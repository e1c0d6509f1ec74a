// How many a second and how long each, lately: averages that forget. For gauges, and for telling
// those who are refused when to come again.

const MEMORY_SECONDS = 5;

/** A rate of things counted as they happen. */
export interface Rate {
  add(count: number): void;
  /** The recent rate; falls towards 0 while nothing happens. */
  perSecond(): number;
}

/** Counts that weigh e times less for every five seconds they are old. */
export function createRate(now: () => number = () => performance.now()): Rate {
  let recent = 0;
  let since = now();

  function forget(): void {
    const time = now();
    recent *= Math.exp((since - time) / 1000 / MEMORY_SECONDS);
    since = time;
  }

  return {
    add(count) {
      forget();
      recent += count;
    },
    perSecond() {
      forget();
      return recent / MEMORY_SECONDS;
    },
  };
}

/** How long things take, measured from their beginning to their end. */
export interface MeanDuration<T> {
  begin(thing: T): void;
  end(thing: T): void;
  seconds(): number;
}

/** Each duration weighs a fifth of the average after it; `first` seconds until there is one. */
export function createMeanDuration<T>(
  { first, now = () => performance.now() }: { first: number; now?: () => number },
): MeanDuration<T> {
  const begun = new Map<T, number>();
  let average: number | null = null;
  return {
    begin: (thing) => void begun.set(thing, now()),
    end(thing) {
      const since = begun.get(thing);
      if (since === undefined || !begun.delete(thing)) return;
      const seconds = (now() - since) / 1000;
      average = average === null ? seconds : average + (seconds - average) / 5;
    },
    seconds: () => average ?? first,
  };
}
