// Between the batcher, which produces at its own pace, and whoever reads one answer. Nothing is
// dropped: an answer is at most as long as the model's context.

/** Values in the order they were pushed, for one reader. */
export interface EventQueue<T> extends AsyncIterable<T> {
  push(value: T): void;
  /** No more values; with an error, the reader gets it after the values before it. */
  close(error?: unknown): void;
}

/** An empty queue; `onLeave` is called when the reader leaves before the end. */
export function createEventQueue<T>(onLeave: () => void): EventQueue<T> {
  const values: T[] = [];
  let closed: { error?: unknown } | null = null;
  let wake = () => {};

  async function* read(): AsyncGenerator<T> {
    try {
      while (true) {
        const value = values.shift();
        if (value !== undefined) yield value;
        else if (closed === null) await new Promise<void>((resolve) => wake = resolve);
        else if (closed.error === undefined) return;
        else throw closed.error;
      }
    } finally {
      if (closed === null) onLeave();
    }
  }

  return {
    push(value) {
      values.push(value);
      wake();
    },
    close(error) {
      closed ??= { error };
      wake();
    },
    [Symbol.asyncIterator]: read,
  };
}
