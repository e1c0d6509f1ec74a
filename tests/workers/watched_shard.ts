// A shard for shards_test.ts: the real one, whose port this module listens to first. Before each
// call it says how many tensors it holds, and at the call that its address names it breaks:
// watched_shard.ts?method=backward&at=3&fault=silence
import * as tf from "@tensorflow/tfjs-core";
import "../../workers/shard_worker.ts";

/** Ways to break; each call of the port goes through one of them. */
const faults: Record<string, (event: MessageEvent) => void> = {
  exception: ({ data }) => data.argument = null, // what is computed throws
  crash() {
    throw new Error("a bug outside of any call");
  },
  exit: () => scope.close(),
  silence: (event) => event.stopImmediatePropagation(), // no answer, ever
  hang: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20_000), // in native code
};

const scope = self as unknown as {
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  postMessage(message: unknown): void;
  close(): void;
};
const { method, at, fault } = Object.fromEntries(new URL(import.meta.url).searchParams);
let seen = 0;

scope.addEventListener("message", ({ data: { port } }) => {
  port.addEventListener("message", (event: MessageEvent) => {
    const { method: name, argument } = event.data;
    const called = name === "score" && argument.version !== null ? "score adapted" : name;
    scope.postMessage({ called, tensors: tf.engine().state.numTensors });
    if (called === method && ++seen === Number(at)) faults[fault ?? ""]?.(event);
  });
});
