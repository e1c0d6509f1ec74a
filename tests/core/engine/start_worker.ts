// Workers of these tests: started, asked, and their messages taken one by one.

/** A Worker that will own an engine; `next` gives its messages one by one. */
export function startWorker() {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const arrived: unknown[] = [];
  let wake = () => {};
  let failure: Error | null = null;
  worker.onmessage = ({ data }) => {
    arrived.push(data);
    wake();
  };
  worker.onerror = (event) => {
    event.preventDefault();
    failure = new Error(event.message);
    wake();
  };
  return {
    post: (message: unknown) => worker.postMessage(message),
    stop: () => worker.terminate(),
    async next(): Promise<unknown> {
      while (arrived.length === 0 && failure === null) {
        await new Promise<void>((resolve) => wake = resolve);
      }
      if (failure !== null) throw failure;
      return arrived.shift();
    },
  };
}
