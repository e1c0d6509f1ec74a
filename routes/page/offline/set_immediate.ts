// setImmediate for browsers: the batcher gives others their turn with it. A message to oneself comes
// after those that wait, and is not held back as timers are.
const { port1, port2 } = new MessageChannel();
const waiting: (() => void)[] = [];
port1.onmessage = () => waiting.shift()?.();

Object.assign(globalThis, {
  setImmediate(run: () => void) {
    waiting.push(run);
    port2.postMessage(null);
  },
});
