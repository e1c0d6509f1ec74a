// A process of engines_test.ts: a Worker ends with its engine open, then the process does.
// TensorFlow's threads live on after both.
import { startWorker } from "./start_worker.ts";

const worker = startWorker();
await worker.next();
worker.post({ engine: "tensorflow", threads: 2 });
await worker.next();
worker.post(1);
await worker.next();
worker.stop();
await new Promise((resolve) => setTimeout(resolve, 200)); // the Worker's thread really ends
Deno.stdout.writeSync(new TextEncoder().encode("alive"));
