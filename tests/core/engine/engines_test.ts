import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { type Engine, engines } from "../../../core/engine/mod.ts";
import { eachEngine, type EngineName, whyMissing, withEngine } from "../../engines.ts";

const names = Object.keys(engines) as EngineName[];

eachEngine("an engine says what it is", (engine) => {
  assert(names.includes(engine.name as EngineName));
  assert.match(engine.version, /^\d+\.\d+/);
  assert(engine.devices.includes("cpu:0"));
  assert.equal(tf.getBackend(), engine.name);
});

for (const name of names) {
  Deno.test({
    name: `${name} opens again after it was disposed`,
    ignore: whyMissing(name) !== null,
    async fn() {
      for (let i = 0; i < 3; i++) {
        await withEngine(name, {}, async (engine) => {
          const x = tf.tensor1d([1, 2]);
          const [doubled] = engine.compile((x) => [tf.add(x as tf.Tensor, x as tf.Tensor)])(x);
          assert.deepEqual([...await doubled?.data() ?? []], [2, 4]);
          [x, doubled].forEach((tensor) => tensor?.dispose());
        });
      }
    },
  });

  Deno.test({
    name: `three Workers each own a ${name} engine at once` +
      (whyMissing(name) === null ? "" : `: skipped, ${whyMissing(name)}`),
    ignore: whyMissing(name) !== null,
    async fn() {
      const workers = [1, 1, 2].map((threads) => ({ threads, ...startWorker() }));
      const hear = () => Promise.all(workers.map((worker) => worker.next()));
      assert.deepEqual(await hear(), ["listening", "listening", "listening"]);
      workers.forEach(({ post, threads }) => post({ engine: name, threads }));
      assert.deepEqual(await hear(), ["ready", "ready", "ready"]); // all are open at once
      // questions to all of them before any answer is taken
      for (let round = 0; round < 5; round++) {
        workers.forEach(({ post }, w) => post(round + w));
        const answers = await hear();
        answers.forEach((answer, w) => {
          const x = round + w;
          assert.deepEqual(answer, { of: x, slopes: [18 * x, 18 * x], live: 1 });
        });
      }
      workers.forEach(({ post }) => post(null));
      assert.deepEqual(await hear(), ["closed", "closed", "closed"]);
      workers.forEach(({ stop }) => stop());
    },
  });
}

/** A Worker that will own an engine; `next` gives its messages one by one. */
function startWorker() {
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

Deno.test({
  name: "the thread count bounds the processor time of a product",
  ignore: whyMissing("tensorflow") !== null || Deno.build.os !== "linux" ||
    navigator.hardwareConcurrency < 2,
  async fn() {
    const share = async (threads: number) => {
      const before = taskTimes();
      await withEngine("tensorflow", { threads }, productFor);
      const after = taskTimes();
      const spent = [...after].map(([id, ticks]) => ticks - (before.get(id) ?? 0));
      const total = spent.reduce((sum, ticks) => sum + ticks, 0);
      // threads that did a tenth of the work or more
      return spent.filter((ticks) => ticks > 0.1 * total).length;
    };
    assert.equal(await share(1), 1);
    assert.equal(await share(2), 2);
  },
});

/** Products for long enough that the clock of the operating system (10 ms) sees them. */
async function productFor(engine: Engine): Promise<void> {
  const size = 512;
  const weight = engine.hold(new Float32Array(size * size).fill(0.5), [size, size]);
  const x = tf.ones<tf.Rank.R2>([size, size]);
  const end = performance.now() + 700;
  while (performance.now() < end) {
    const y = engine.project(x, weight);
    await y.data();
    y.dispose();
  }
  [weight, x].forEach((tensor) => tensor.dispose());
}

/** User and system time of every thread of this process, in clock ticks. */
function taskTimes(): Map<string, number> {
  const times = new Map<string, number>();
  for (const { name } of Deno.readDirSync("/proc/self/task")) {
    const stat = Deno.readTextFileSync(`/proc/self/task/${name}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    times.set(name, Number(fields[11]) + Number(fields[12])); // utime, stime (proc(5))
  }
  return times;
}

Deno.test("openTensorflow() refuses a folder without the library and a damaged one", async () => {
  const directory = await Deno.makeTempDir();
  const open = async () => {
    const options = { dtype: "float32", threads: 1, device: "cpu" } as const;
    return await engines.tensorflow(options, { libtensorflow: directory });
  };
  try {
    await assert.rejects(open, (error: Error) => error.message.includes(directory));
    for (const name of ["libtensorflow_framework.so.2", "libtensorflow_cc.so.2"]) {
      await Deno.writeTextFile(`${directory}/${name}`, "half a download");
    }
    await assert.rejects(open, (error: Error) => error.message.includes(directory));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("the tensorflow engine without a library says so", async () => {
  const options = { dtype: "float32", threads: 1, device: "cpu" } as const;
  await assert.rejects(
    async () => await engines.tensorflow(options, { libtensorflow: null }),
    /expected libtensorflow, got none/,
  );
});

Deno.test({
  name: "the tensorflow engine refuses an unknown device, naming the known ones",
  ignore: whyMissing("tensorflow") !== null,
  async fn() {
    const directory = Deno.env.get("LIBTENSORFLOW_DIR");
    await assert.rejects(
      async () =>
        await engines.tensorflow({ dtype: "float32", threads: 1, device: "gpu:9" }, {
          libtensorflow: directory ?? null,
        }),
      /Cannot use device gpu:9: expected one of cpu:0/,
    );
  },
});
