import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { type Engine, engines } from "../../../core/engine/mod.ts";
import { findLibtensorflow } from "../../../data/native.ts";
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
  name: "a process ends well after an engine was disposed and with another open",
  ignore: whyMissing("tensorflow") !== null,
  async fn() {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "-A", new URL("./exit.ts", import.meta.url).pathname],
      stdout: "piped",
      stderr: "piped",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assert.deepEqual({ code, stdout: text(stdout) }, { code: 0, stdout: "computed" }, text(stderr));
  },
});

Deno.test({
  name: "each engine has the thread count that it was opened with, whatever came before",
  ignore: whyMissing("tensorflow") !== null || Deno.build.os !== "linux" ||
    navigator.hardwareConcurrency < 2,
  async fn() {
    const working = (threads: number, size: number) =>
      withEngine("tensorflow", { threads }, async (engine) => {
        const before = taskTimes();
        await productFor(engine, size);
        const spent = [...taskTimes()].map(([id, ticks]) => ticks - (before.get(id) ?? 0));
        const total = spent.reduce((sum, ticks) => sum + ticks, 0);
        return spent.filter((ticks) => ticks > 0.2 * total).length; // garbage collectors take a tenth
      });
    // Sizes of their own: oneDNN keeps a kernel by shape, with the threads that it was made for.
    assert.equal(await working(1, 480), 1);
    assert(await working(2, 512) >= 2);
    assert.equal(await working(1, 544), 1);
  },
});

/** Products for long enough that the clock of the operating system (10 ms) sees them. */
async function productFor(engine: Engine, size: number): Promise<void> {
  const weight = engine.hold(new Float32Array(size * size).fill(0.5), [size, size]);
  const x = tf.ones<tf.Rank.R2>([size, size]);
  const end = performance.now() + 500;
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
    const found = await findLibtensorflow({
      env: Deno.env.get,
      onProgress: () => {},
      download: false,
    });
    assert("directory" in found);
    const options = { dtype: "float32", threads: 1, device: "gpu:9" } as const;
    await assert.rejects(
      async () => await engines.tensorflow(options, { libtensorflow: found.directory }),
      /Cannot use device gpu:9: expected one of cpu:0/,
    );
  },
});
