// The native engine: tfjs on libtensorflow, with the kernels of tfjs-node-gpu on our binding.
import util from "node:util";
import { createRequire } from "node:module";
import * as tf from "@tensorflow/tfjs-core";
import { AttributeType, Binding, type OpAttribute, type TensorMetadata } from "./binding.ts";
import { ByteBudget, RESIDUAL_BYTES } from "./byte_budget.ts";
import type { Engine, EngineOptions, TensorFunction } from "./engine.ts";
import { bytesPerElement, DataType, frameworkPath, openLibtensorflow } from "./libtensorflow.ts";
import { quietly } from "./quiet.ts";
import { recordFunction } from "./record.ts";
import { noResiduals, residual } from "./residuals.ts";

/** The parts of tfjs-node's back end that we touch. */
interface NodeBackend extends tf.KernelBackend {
  tensorMap: {
    get(dataId: object): { dtype: number };
    set(dataId: object, value: StoredTensor): void;
  };
  getInputTensorIds(tensors: tf.Tensor[]): number[];
}

interface StoredTensor {
  shape: number[];
  dtype: number;
  id: number;
  values: null;
  refCount: number;
}

/** Opens libtensorflow in `directory` and makes it tfjs's back end on this thread. */
export function openTensorflow(directory: string, options: EngineOptions): Engine {
  const open = () => new Binding(openLibtensorflow(directory), options.threads);
  const binding = quietly(frameworkPath(directory), open);
  binding.device = chooseDevice(binding.devices, options.device);
  return new TensorflowEngine(binding, options);
}

class TensorflowEngine implements Engine {
  readonly name = "tensorflow";
  readonly version: string;
  readonly devices: string[];
  readonly dtype: EngineOptions["dtype"];
  readonly residualBytes = new ByteBudget(RESIDUAL_BYTES);
  #backend: NodeBackend;

  constructor(private readonly binding: Binding, options: EngineOptions) {
    this.version = binding.lib.version;
    this.devices = binding.devices.map(shortDeviceName);
    this.dtype = options.dtype;
    this.#backend = registerBackend(binding);
  }

  hold(values: Float32Array, shape: number[], dtype = this.dtype): tf.Tensor {
    const full = this.binding.createTensor(shape, DataType.float, values);
    if (dtype === "float32") return this.#adopt({ id: full, shape, dtype: DataType.float });
    const [held] = this.binding.executeOp("Cast", castAttributes(DataType.float, HELD), [full], 1);
    this.binding.deleteTensor(full);
    return this.#adopt(only(held));
  }

  project(x: tf.Tensor2D, weight: tf.Tensor, residuals = noResiduals): tf.Tensor2D {
    // With gradients of its own: tfjs cannot differentiate through casts to and from bfloat16, and
    // the frozen weight needs none.
    const product = residual<[tf.Tensor2D], tf.Rank.R2>(residuals, [x], {
      value: (x) => this.#matMul(x, weight, true),
      gradients: (dy) => [this.projectBack(dy, weight)],
    });
    const widen = tf.customGrad<tf.Tensor2D>((narrow) => ({
      value: this.#cast(narrow as tf.Tensor2D, DataType.float),
      gradFunc: (dy) => tf.clone(dy),
    }));
    const wide = widen(product);
    product.dispose();
    return wide;
  }

  projectBack(y: tf.Tensor2D, weight: tf.Tensor): tf.Tensor2D {
    return this.#widened(this.#matMul(y, weight, false));
  }

  lookup(table: tf.Tensor, ids: tf.Tensor1D): tf.Tensor2D {
    const dtype = this.#dtypeOf(table);
    const axis = tf.scalar(0, "int32");
    const [tableId, idsId, axisId] = this.#backend.getInputTensorIds([table, ids, axis]);
    const [rows] = this.binding.executeOp(
      "GatherV2",
      [
        typeAttribute("Tparams", dtype),
        typeAttribute("Tindices", DataType.int32),
        typeAttribute("Taxis", DataType.int32),
        { name: "batch_dims", type: AttributeType.int, value: 0 },
      ],
      [defined(tableId), defined(idsId), defined(axisId)],
      1,
    );
    axis.dispose();
    return this.#widened(this.#adopt(only(rows)) as tf.Tensor2D);
  }

  compile(fn: TensorFunction): TensorFunction {
    const compiled = new Map<string, (inputs: number[]) => TensorMetadata[]>();
    return (...args) => {
      const inputs = this.#backend.getInputTensorIds(args);
      const types = args.map((arg) => ({ shape: arg.shape, dtype: this.#dtypeOf(arg) }));
      const key = types.map(({ shape, dtype }) => `${dtype}:${shape.join("x")}`).join(" ");
      let call = compiled.get(key);
      if (call === undefined) {
        call = this.#record(fn, types);
        compiled.set(key, call);
      }
      return call(inputs).map((output) => this.#adopt(output));
    };
  }

  bytesOf(tensor: tf.Tensor): number {
    return tensor.size * (bytesPerElement[this.#dtypeOf(tensor)] ?? NaN);
  }

  liveTensors(): number {
    return this.binding.getNumOfTensors();
  }

  dispose(): void {
    tf.removeBackend("tensorflow");
    this.binding.dispose();
  }

  #record(fn: TensorFunction, types: { shape: number[]; dtype: number }[]) {
    return recordFunction(this.binding, types, (symbols) => {
      tf.engine().startScope("compile");
      try {
        const results = fn(...symbols.map((symbol) => this.#adopt(symbol)));
        return this.#backend.getInputTensorIds(results);
      } finally {
        tf.engine().endScope();
      }
    });
  }

  /** x·W or x·Wᵀ, computed and left in the type that W is held in. */
  #matMul(x: tf.Tensor2D, weight: tf.Tensor, transposed: boolean): tf.Tensor2D {
    const held = this.#dtypeOf(weight);
    if (held === DataType.float) return tf.matMul(x, weight as tf.Tensor2D, false, transposed);
    const narrow = this.#cast(x, held);
    const [narrowId, weightId] = this.#backend.getInputTensorIds([narrow, weight]);
    const [product] = this.binding.executeOp(
      "MatMul",
      [typeAttribute("T", held), flag("transpose_a", false), flag("transpose_b", transposed)],
      [defined(narrowId), defined(weightId)],
      1,
    );
    narrow.dispose();
    return this.#adopt(only(product)) as tf.Tensor2D;
  }

  /** In float32; disposes what it is given. */
  #widened<T extends tf.Tensor>(tensor: T): T {
    const wide = this.#cast(tensor, DataType.float);
    tensor.dispose();
    return wide;
  }

  /** A new tensor of the same values in another type; of the same type, another handle on them. */
  #cast<T extends tf.Tensor>(tensor: T, to: number): T {
    const from = this.#dtypeOf(tensor);
    if (from === to) return tf.clone(tensor);
    const [id] = this.#backend.getInputTensorIds([tensor]);
    const [cast] = this.binding.executeOp("Cast", castAttributes(from, to), [defined(id)], 1);
    return this.#adopt(only(cast)) as T;
  }

  #dtypeOf(tensor: tf.Tensor): number {
    return this.#backend.tensorMap.get(tensor.dataId).dtype;
  }

  /** Makes a tfjs tensor of one of the binding's; held weights pose as float32. */
  #adopt({ id, shape, dtype }: TensorMetadata): tf.Tensor {
    const dataId = {};
    this.#backend.tensorMap.set(dataId, { shape, dtype, id, values: null, refCount: 1 });
    const name = dtype === DataType.int32 ? "int32" : dtype === DataType.bool ? "bool" : "float32";
    return tf.engine().makeTensorFromTensorInfo({ dataId, shape, dtype: name });
  }
}

const HELD = DataType.bfloat16;

/** tfjs-node's kernels and back end on our binding; the package's own entry point would download. */
function registerBackend(binding: Binding): NodeBackend {
  // Gone from Deno and new Node; the kernels call it.
  const legacy = util as unknown as Record<string, unknown>;
  legacy.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  const require = createRequire(new URL("../../main.ts", import.meta.url)); // node_modules is beside it
  require("@tensorflow/tfjs"); // registers the gradients
  const folder = "@tensorflow/tfjs-node-gpu/dist";
  const { NodeJSKernelBackend } = require(`${folder}/nodejs_kernel_backend.js`);
  const backend = new NodeJSKernelBackend(binding, "panacea");
  if (tf.findBackendFactory("tensorflow") !== null) tf.removeBackend("tensorflow");
  tf.registerBackend("tensorflow", () => backend, 3);
  require(`${folder}/register_all_kernels.js`);
  tf.setBackend("tensorflow");
  return backend;
}

function chooseDevice(devices: string[], wanted: string): string | null {
  if (wanted === "auto") return null; // TensorFlow places on a GPU where it has one
  const found = devices.find((name) => {
    const short = shortDeviceName(name);
    return short === wanted || short === `${wanted}:0`;
  });
  if (found === undefined) {
    throw new RangeError(
      `Cannot use device ${wanted}: expected one of ${devices.map(shortDeviceName).join(", ")}`,
    );
  }
  return found;
}

/** `/job:localhost/replica:0/task:0/device:CPU:0` → `cpu:0` */
function shortDeviceName(name: string): string {
  return name.slice(name.lastIndexOf("device:") + 7).toLowerCase();
}

function typeAttribute(name: string, value: number): OpAttribute {
  return { name, type: AttributeType.type, value };
}

function flag(name: string, value: boolean): OpAttribute {
  return { name, type: AttributeType.bool, value };
}

function castAttributes(from: number, to: number): OpAttribute[] {
  return [typeAttribute("SrcT", from), typeAttribute("DstT", to), flag("Truncate", false)];
}

function only(output: TensorMetadata | undefined): TensorMetadata {
  if (output === undefined) throw new Error("Cannot go on: TensorFlow returned no result");
  return output;
}

function defined(id: number | undefined): number {
  if (id === undefined) throw new Error("Cannot go on: a tensor has no data");
  return id;
}
