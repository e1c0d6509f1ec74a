// The native engine: tfjs on libtensorflow, with the kernels of tfjs-node-gpu on our binding.
import util from "node:util";
import { createRequire } from "node:module";
import * as tf from "@tensorflow/tfjs-core";
import { AttributeType, Binding, type OpAttribute, type TensorMetadata } from "./binding.ts";
import type { Engine, EngineOptions, TensorFunction } from "./engine.ts";
import { DataType, frameworkPath, openLibtensorflow } from "./libtensorflow.ts";
import { quietly } from "./quiet.ts";
import { recordFunction } from "./record.ts";

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

  project(x: tf.Tensor2D, weight: tf.Tensor): tf.Tensor2D {
    // A custom gradient: tfjs cannot differentiate through the cast to bfloat16, and the frozen
    // weight needs no gradient of its own.
    const product = tf.customGrad((x) => ({
      value: this.#matMul(x as tf.Tensor, weight, true),
      gradFunc: (dy: tf.Tensor) => this.#matMul(dy, weight, false),
    }));
    return product(x) as tf.Tensor2D;
  }

  projectBack(y: tf.Tensor2D, weight: tf.Tensor): tf.Tensor2D {
    return this.#matMul(y, weight, false) as tf.Tensor2D;
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
    return this.#toFloat(only(rows)) as tf.Tensor2D;
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

  /** x·W or x·Wᵀ, in the type that W is held in; float32 out. */
  #matMul(x: tf.Tensor, weight: tf.Tensor, transposed: boolean): tf.Tensor {
    const held = this.#dtypeOf(weight);
    if (held === DataType.float) return tf.matMul(x, weight, false, transposed);
    const [xId, weightId] = this.#backend.getInputTensorIds([x, weight]);
    const [narrow] = this.binding.executeOp(
      "Cast",
      castAttributes(DataType.float, held),
      [defined(xId)],
      1,
    );
    const [product] = this.binding.executeOp(
      "MatMul",
      [typeAttribute("T", held), flag("transpose_a", false), flag("transpose_b", transposed)],
      [only(narrow).id, defined(weightId)],
      1,
    );
    this.binding.deleteTensor(only(narrow).id);
    return this.#toFloat(only(product));
  }

  #toFloat(tensor: TensorMetadata): tf.Tensor {
    if (tensor.dtype === DataType.float) return this.#adopt(tensor);
    const attributes = castAttributes(tensor.dtype, DataType.float);
    const [full] = this.binding.executeOp("Cast", attributes, [tensor.id], 1);
    this.binding.deleteTensor(tensor.id);
    return this.#adopt(only(full));
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
