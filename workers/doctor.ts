// What computes on this machine and how fast: found libraries, devices, a measured matrix product,
// and of a given model its weight formats.
import * as tf from "@tensorflow/tfjs-core";
import type { Engine } from "../core/engine/mod.ts";
import { findLibtensorflow } from "../data/native.ts";
import { startEngine } from "./machine.ts";
import type { DoctorReport, DoctorRequest, SessionOptions } from "./protocol.ts";
import { measureFormats } from "./weight_formats.ts";

const SIZE = 1024; // of the square product
const ROUNDS = 8;
const PRODUCTS = 4; // of a round

/** Looks, measures and advises. */
export async function runDoctor(
  request: DoctorRequest,
  options: SessionOptions,
): Promise<DoctorReport> {
  const found: string[] = [];
  const advice: string[] = [];
  const silent = { env: options.env, onProgress: () => {}, download: false };
  const library = await findLibtensorflow({ ...silent, thorough: true });
  found.push(
    "missing" in library
      ? `libtensorflow: not installed yet (${library.missing})`
      : `libtensorflow ${library.version} in ${library.directory}, intact`,
  );
  const { model, ...engineRequest } = request;
  const formats = model === undefined
    ? undefined
    : await measureFormats({ model, threads: request.threads }, options);
  const engine = await startEngine({ ...engineRequest, dtype: "bfloat16" }, options);
  try {
    const gflops = await productSpeed(engine, "float32");
    const narrow = engine.dtype === "bfloat16" ? await productSpeed(engine, "bfloat16") : undefined;
    const cores = navigator.hardwareConcurrency;
    found.push(`${cores} processor cores, ${Math.round(memoryBytes() / 2 ** 30)} GiB of memory`);
    if (engine.name === "wasm") {
      advice.push(
        "missing" in library && request.engine !== "wasm"
          ? `The native engine is about ten times faster: ${library.missing}`
          : "The native engine is about ten times faster: leave --engine wasm out",
      );
    } else if (!engine.devices.some((device) => device.startsWith("gpu"))) {
      advice.push(
        "No GPU was found: TensorFlow uses an NVIDIA GPU with its driver and CUDA 12 libraries",
      );
    }
    if (narrow !== undefined && narrow < 1.2 * gflops) {
      advice.push("This processor gains little from bfloat16: --dtype float32 costs no speed");
    }
    if (request.threads > 0 && request.threads < cores) {
      advice.push(`--threads ${request.threads} leaves ${cores - request.threads} cores idle`);
    }
    return {
      engine: engine.name,
      version: engine.version,
      devices: engine.devices,
      gflops: Math.round(gflops),
      ...(narrow !== undefined && { gflopsBfloat16: Math.round(narrow) }),
      found,
      advice,
      ...(formats !== undefined && { formats }),
    };
  } finally {
    engine.dispose();
  }
}

/**
 * GFLOP/s of x·Wᵀ with a frozen W: the fastest of several rounds, which is what the machine can do when
 * nobody disturbs it. Of a round's last product one number is read, so that it has ended.
 */
async function productSpeed(engine: Engine, dtype: "float32" | "bfloat16"): Promise<number> {
  const values = Float32Array.from({ length: SIZE * SIZE }, (_, i) => ((i * 7919) % 101) / 101);
  const x = tf.tensor2d(values, [SIZE, SIZE]);
  const weight = engine.hold(values, [SIZE, SIZE], dtype);
  let fastest = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    const corner = tf.tidy(() => {
      let product = engine.project(x, weight);
      for (let i = 1; i < PRODUCTS; i++) {
        product.dispose();
        product = engine.project(x, weight);
      }
      return tf.slice(product, [0, 0], [1, 1]);
    });
    await corner.data();
    corner.dispose();
    fastest = Math.min(fastest, performance.now() - start);
  }
  x.dispose();
  weight.dispose();
  return 2 * SIZE ** 3 * PRODUCTS / fastest / 1e6;
}

function memoryBytes(): number {
  return Deno.systemMemoryInfo().total;
}
