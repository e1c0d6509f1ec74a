// The object that tfjs-node's kernels expect under them, on libtensorflow by FFI: tensors by number,
// and `executeOp`. While a recorder is set, ops are recorded into a graph instead of run (record.ts).
import { bytesPerElement, cString, DataType, type LibTensorflow } from "./libtensorflow.ts";

export interface OpAttribute {
  name: string;
  type: number;
  value: boolean | number | string | number[];
}

/** What tfjs-node's kernels get back for each output: `id` ≥ 0 is a live tensor, < -1 a recorded one. */
export interface TensorMetadata {
  id: number;
  shape: number[];
  dtype: number;
}

/** Takes ops while a graph is recorded. */
export interface Recorder {
  record(name: string, attributes: OpAttribute[], inputs: number[]): TensorMetadata[];
}

export const AttributeType = {
  string: 0,
  int: 1,
  float: 2,
  bool: 3,
  type: 4,
  shape: 5,
} as const;

/** One TensorFlow eager context with its live tensors. Lives until dispose(). */
export class Binding {
  // constants that tfjs-node reads
  readonly TF_FLOAT = DataType.float;
  readonly TF_INT32 = DataType.int32;
  readonly TF_INT64 = DataType.int64;
  readonly TF_BOOL = DataType.bool;
  readonly TF_UINT8 = DataType.uint8;
  readonly TF_COMPLEX64 = 8;
  readonly TF_STRING = 7;
  readonly TF_RESOURCE = 20;
  readonly TF_ATTR_STRING = AttributeType.string;
  readonly TF_ATTR_INT = AttributeType.int;
  readonly TF_ATTR_FLOAT = AttributeType.float;
  readonly TF_ATTR_BOOL = AttributeType.bool;
  readonly TF_ATTR_TYPE = AttributeType.type;
  readonly TF_ATTR_SHAPE = AttributeType.shape;
  readonly TF_ATTR_RESOURCE = 6;

  readonly context: Deno.PointerValue;
  device: string | null = null; // set on every op; null: TensorFlow places
  readonly devices: string[];
  recorder: Recorder | null = null;

  #handles = new Map<number, Deno.PointerValue>();
  #nextId = 0;
  #op: Deno.PointerValue = null; // reused between calls: TFE_OpReset is cheaper than TFE_NewOp
  #dims = new BigInt64Array(16);
  #results = new BigUint64Array(64);
  #resultCount = new Int32Array(1);

  constructor(readonly lib: LibTensorflow, threads: number /* 0: all cores */) {
    const { symbols, status } = lib;
    const contextOptions = symbols.TFE_NewContextOptions();
    const config = configProto(threads);
    symbols.TFE_ContextOptionsSetConfig(contextOptions, config, BigInt(config.length), status);
    lib.check("configure TensorFlow");
    this.context = symbols.TFE_NewContext(contextOptions, status);
    lib.check("start TensorFlow");
    symbols.TFE_DeleteContextOptions(contextOptions);
    this.devices = this.#listDevices();
  }

  get TF_Version(): string {
    return this.lib.version;
  }

  isUsingGpuDevice(): boolean {
    return this.devices.some((name) => name.includes("GPU"));
  }

  getNumOfTensors(): number {
    return this.#handles.size;
  }

  createTensor(
    shape: number[],
    dtype: number,
    values: ArrayLike<number> | ArrayBufferView,
  ): number {
    const { symbols, status } = this.lib;
    const size = shape.reduce((product, dim) => product * dim, 1);
    const bytes = size * elementBytes(dtype);
    shape.forEach((dim, i) => this.#dims[i] = BigInt(dim));
    const tensor = symbols.TF_AllocateTensor(dtype, this.#dims, shape.length, BigInt(bytes));
    if (tensor === null) {
      throw new Error(`Cannot allocate a tensor: no ${bytes} bytes for shape [${shape}]`);
    }
    if (bytes > 0) {
      const view = asBytes(values, dtype);
      if (view.byteLength !== bytes) {
        symbols.TF_DeleteTensor(tensor);
        throw new TypeError(
          `Cannot create a tensor: expected ${bytes} bytes for shape [${shape}], got ${view.byteLength}`,
        );
      }
      const data = symbols.TF_TensorData(tensor);
      if (data === null) throw new Error("Cannot create a tensor: TensorFlow gave no memory");
      this.lib.memory.write(data, view);
    }
    const handle = symbols.TFE_NewTensorHandle(tensor, status);
    symbols.TF_DeleteTensor(tensor);
    this.lib.check("create a tensor");
    return this.#register(handle);
  }

  deleteTensor(id: number): void {
    if (id < 0) return; // recorded tensors own nothing
    this.lib.symbols.TFE_DeleteTensorHandle(this.handle(id));
    this.#handles.delete(id);
  }

  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array {
    if (id < 0) throw new Error("Cannot read a tensor: it is being recorded and has no value");
    const handle = this.handle(id);
    const dtype = this.lib.symbols.TFE_TensorHandleDataType(handle);
    const tensor = this.resolve(id);
    const bytes = Number(this.lib.symbols.TF_TensorByteSize(tensor));
    const data = this.lib.symbols.TF_TensorData(tensor);
    const { buffer } = this.lib.memory.read(data, data === null ? 0 : bytes);
    this.lib.symbols.TF_DeleteTensor(tensor);
    if (dtype === DataType.float) return new Float32Array(buffer);
    if (dtype === DataType.int32) return new Int32Array(buffer);
    return new Uint8Array(buffer);
  }

  executeOp(
    name: string,
    attributes: OpAttribute[],
    inputs: number[],
    _outputs: number,
  ): TensorMetadata[] {
    if (this.recorder !== null) return this.recorder.record(name, attributes, inputs);
    const { symbols, status } = this.lib;
    const device = this.device === null ? null : cString(this.device);
    if (this.#op === null) {
      this.#op = symbols.TFE_NewOp(this.context, cString(name), status);
      if (device !== null) symbols.TFE_OpSetDevice(this.#op, device, status);
    } else symbols.TFE_OpReset(this.#op, cString(name), device, status);
    this.lib.check(`run ${name}`);
    const op = this.#op;
    for (const id of inputs) symbols.TFE_OpAddInput(op, this.handle(id), status);
    for (const attribute of attributes) setAttribute(this.lib, "TFE_Op", { op, attribute });
    return this.#execute(op, name, this.#results.length);
  }

  /** Calls a function that was added to the context: see record.ts. */
  callFunction(name: string, inputs: number[], outputs: number): TensorMetadata[] {
    const { symbols, status } = this.lib;
    const op = symbols.TFE_NewOp(this.context, cString(name), status);
    this.lib.check(`call ${name}`);
    if (this.device !== null) {
      symbols.TFE_OpSetDevice(op, cString(this.device), status);
    }
    for (const id of inputs) symbols.TFE_OpAddInput(op, this.handle(id), status);
    this.lib.check(`call ${name}`);
    if (outputs > this.#results.length) this.#results = new BigUint64Array(outputs);
    try {
      return this.#execute(op, name, outputs);
    } finally {
      symbols.TFE_DeleteOp(op);
    }
  }

  /** The TF_Tensor behind a live tensor; the caller deletes it. */
  resolve(id: number): Deno.PointerValue {
    const tensor = this.lib.symbols.TFE_TensorHandleResolve(this.handle(id), this.lib.status);
    this.lib.check("read a tensor");
    return tensor;
  }

  /** Shape and dtype of a live tensor. */
  describe(id: number): TensorMetadata {
    return this.#metadata(id, this.handle(id));
  }

  handle(id: number): Deno.PointerValue {
    const handle = this.#handles.get(id);
    if (handle === undefined) throw new Error(`Cannot use tensor ${id}: it was disposed`);
    return handle;
  }

  dispose(): void {
    for (const handle of this.#handles.values()) this.lib.symbols.TFE_DeleteTensorHandle(handle);
    this.#handles.clear();
    if (this.#op !== null) this.lib.symbols.TFE_DeleteOp(this.#op);
    this.#op = null;
    this.lib.symbols.TFE_DeleteContext(this.context);
  }

  #execute(op: Deno.PointerValue, name: string, capacity: number): TensorMetadata[] {
    this.#resultCount[0] = capacity;
    this.lib.symbols.TFE_Execute(op, this.#results, this.#resultCount, this.lib.status);
    this.lib.check(`run ${name}`);
    const outputs: TensorMetadata[] = [];
    for (let i = 0; i < (this.#resultCount[0] ?? 0); i++) {
      const handle = this.lib.memory.pointerAt(this.#results[i] ?? 0n);
      outputs.push(this.#metadata(this.#register(handle), handle));
    }
    return outputs;
  }

  #register(handle: Deno.PointerValue): number {
    const id = this.#nextId++;
    this.#handles.set(id, handle);
    return id;
  }

  #metadata(id: number, handle: Deno.PointerValue): TensorMetadata {
    const { symbols, status } = this.lib;
    const rank = symbols.TFE_TensorHandleNumDims(handle, status);
    const shape: number[] = [];
    for (let d = 0; d < rank; d++) {
      shape.push(Number(symbols.TFE_TensorHandleDim(handle, d, status)));
    }
    return { id, shape, dtype: symbols.TFE_TensorHandleDataType(handle) };
  }

  #listDevices(): string[] {
    const { symbols, status } = this.lib;
    const list = symbols.TFE_ContextListDevices(this.context, status);
    this.lib.check("list devices");
    const names: string[] = [];
    for (let i = 0; i < symbols.TF_DeviceListCount(list); i++) {
      names.push(this.lib.memory.readString(symbols.TF_DeviceListName(list, i, status)));
    }
    symbols.TF_DeleteDeviceList(list);
    return names;
  }
}

/** Sets an attribute of an eager op (`TFE_Op…`) or of an operation being added to a graph (`TF_…`). */
export function setAttribute(
  { symbols, status }: LibTensorflow,
  prefix: "TFE_Op" | "TF_",
  { op, attribute: { name, type, value } }: { op: Deno.PointerValue; attribute: OpAttribute },
): void {
  const key = cString(name);
  if (type === AttributeType.type) symbols[`${prefix}SetAttrType`](op, key, Number(value));
  else if (type === AttributeType.bool) symbols[`${prefix}SetAttrBool`](op, key, value ? 1 : 0);
  else if (type === AttributeType.int && Array.isArray(value)) {
    symbols[`${prefix}SetAttrIntList`](op, key, int64(value), value.length);
  } else if (type === AttributeType.int) {
    symbols[`${prefix}SetAttrInt`](op, key, BigInt(Number(value)));
  } else if (type === AttributeType.float) symbols[`${prefix}SetAttrFloat`](op, key, Number(value));
  else if (type === AttributeType.string) {
    const text = cString(String(value));
    symbols[`${prefix}SetAttrString`](op, key, text, BigInt(text.length - 1));
  } else if (type === AttributeType.shape && Array.isArray(value)) {
    const dims = int64(value);
    if (prefix === "TF_") symbols.TF_SetAttrShape(op, key, dims, dims.length);
    else symbols.TFE_OpSetAttrShape(op, key, dims, dims.length, status);
  } else throw new TypeError(`Cannot set attribute ${name}: unknown kind ${type}`);
}

/** An int64 array for C, from numbers. */
export function int64(values: number[]): BigInt64Array<ArrayBuffer> {
  return BigInt64Array.from(values, BigInt);
}

function elementBytes(dtype: number): number {
  const bytes = bytesPerElement[dtype];
  if (bytes === undefined) {
    throw new TypeError(`Cannot create a tensor: unknown data type ${dtype}`);
  }
  return bytes;
}

/** tfjs-node hands over typed arrays, or plain arrays for booleans and small constants. */
function asBytes(values: ArrayLike<number> | ArrayBufferView, dtype: number): Uint8Array {
  let view: ArrayBufferView;
  if (ArrayBuffer.isView(values)) view = values;
  else if (dtype === DataType.float) view = Float32Array.from(values);
  else if (dtype === DataType.int32) view = Int32Array.from(values);
  else view = Uint8Array.from(values);
  if (dtype === DataType.int64 && view instanceof Int32Array) view = view.slice(0, 2); // low, high word
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/**
 * Serialised ConfigProto (tensorflow/core/protobuf/config.proto): field 2 intra-op and field 5
 * inter-op threads, as many of both, field 6 gpu_options with field 4 allow_growth.
 */
function configProto(threads: number): Uint8Array<ArrayBuffer> {
  const bytes = [0x32, 0x02, 0x20, 0x01];
  if (threads > 0) bytes.push(0x10, ...varint(threads), 0x28, ...varint(threads));
  return Uint8Array.from(bytes);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}
