// Recording: while a tfjs function runs on placeholders, its ops go into a TF_Graph, which becomes
// one TensorFlow function called like an op. So tfjs code, its gradients included, is one graph.
import {
  AttributeType,
  type Binding,
  int64,
  type OpAttribute,
  setAttribute,
  type TensorMetadata,
} from "./binding.ts";
import { cString, DataType } from "./libtensorflow.ts";

/** Ops whose inputs are a list (`N` tensors of one type); ConcatV2 has one more input, the axis. */
const LIST_INPUTS: Readonly<Record<string, (inputs: number) => number>> = {
  Pack: (inputs) => inputs,
  AddN: (inputs) => inputs,
  ConcatV2: (inputs) => inputs - 1,
};

/** Larger tensors must come in as arguments: a constant would be stored inside the graph. */
const MAX_CONSTANT_BYTES = 4 << 20;

/** Above this, a constant is looked at: one that repeats a single value becomes a Fill. */
const MAX_INLINE_BYTES = 4096;

interface Symbol {
  op: Deno.PointerValue;
  index: number;
  shape: number[];
  dtype: number;
}

let functionCount = 0;

/**
 * Records `body`, which gets one symbolic tensor per argument and returns the ids of its results,
 * and adds the function to the context. The result runs it: ids in, metadata of new tensors out.
 * Tensors that `body` uses without being given them become constants of the graph.
 */
export function recordFunction(
  binding: Binding,
  argumentsOf: { shape: number[]; dtype: number }[],
  body: (args: TensorMetadata[]) => number[],
): (inputs: number[]) => TensorMetadata[] {
  const graph = new GraphRecorder(binding);
  try {
    const args = argumentsOf.map(({ shape, dtype }) => graph.placeholder(shape, dtype));
    binding.recorder = graph;
    let results: number[];
    try {
      results = body(args);
    } finally {
      binding.recorder = null;
    }
    const name = `panacea_${functionCount++}`;
    graph.finish(name, args.map((a) => a.id), results);
    return (inputs) => binding.callFunction(name, inputs, results.length);
  } finally {
    graph.dispose();
  }
}

class GraphRecorder {
  #graph: Deno.PointerValue;
  #symbols = new Map<number, Symbol>();
  #nextId = -2; // -1 means "not uploaded yet" to tfjs-node
  #operations = 0;

  constructor(private readonly binding: Binding) {
    this.#graph = binding.lib.symbols.TF_NewGraph();
  }

  placeholder(shape: number[], dtype: number): TensorMetadata {
    const { symbols } = this.binding.lib;
    const description = this.#newOperation("Placeholder");
    symbols.TF_SetAttrType(description, cString("dtype"), dtype);
    symbols.TF_SetAttrShape(description, cString("shape"), int64(shape), shape.length);
    return this.#define({ op: this.#finish(description, "Placeholder"), index: 0, shape, dtype });
  }

  record(name: string, attributes: OpAttribute[], inputs: number[]): TensorMetadata[] {
    const { symbols } = this.binding.lib;
    const sources = inputs.map((id) => this.#symbol(id)); // constants first: they are operations too
    const description = this.#newOperation(name);
    const listLength = LIST_INPUTS[name]?.(inputs.length) ?? 0;
    if (listLength > 0) {
      symbols.TF_AddInputList(description, this.#outputs(sources.slice(0, listLength)), listLength);
    }
    for (const source of sources.slice(listLength)) {
      symbols.TF_AddInput(description, this.#outputs([source]));
    }
    for (const attribute of attributes) {
      setAttribute(this.binding.lib, "TF_", { op: description, attribute });
    }
    const op = this.#finish(description, name);
    const results: TensorMetadata[] = [];
    for (let index = 0; index < symbols.TF_OperationNumOutputs(op); index++) {
      results.push(this.#define(this.#infer(op, index, name)));
    }
    return results;
  }

  finish(name: string, args: number[], results: number[]): void {
    const { lib, context } = this.binding;
    const ins = args.map((id) => this.#symbol(id));
    const outs = results.map((id) => this.#symbol(id));
    const fn = lib.symbols.TF_GraphToFunction(
      this.#graph,
      cString(name),
      0,
      -1,
      null,
      ins.length,
      this.#outputs(ins),
      outs.length,
      this.#outputs(outs),
      null,
      null,
      null,
      lib.status,
    );
    lib.check(`make the function ${name}`);
    lib.symbols.TFE_ContextAddFunction(context, fn, lib.status);
    lib.symbols.TF_DeleteFunction(fn);
    lib.check(`add the function ${name}`);
  }

  dispose(): void {
    this.binding.lib.symbols.TF_DeleteGraph(this.#graph);
  }

  #symbol(id: number): Symbol {
    let symbol = this.#symbols.get(id);
    if (symbol === undefined) {
      symbol = this.#constant(id);
      this.#symbols.set(id, symbol);
    }
    return symbol;
  }

  #constant(id: number): Symbol {
    const { lib } = this.binding;
    const { shape, dtype } = this.binding.describe(id);
    const tensor = this.binding.resolve(id);
    try {
      const bytes = Number(lib.symbols.TF_TensorByteSize(tensor));
      if (bytes > MAX_INLINE_BYTES && dtype === DataType.float) {
        const value = uniformValue(this.binding.tensorDataSync(id));
        if (value !== null) return this.#fill(shape, value);
      }
      if (bytes > MAX_CONSTANT_BYTES) {
        throw new RangeError(
          `Cannot compile: a tensor of shape [${shape}] is used without being an argument`,
        );
      }
      const description = this.#newOperation("Const");
      lib.symbols.TF_SetAttrTensor(description, cString("value"), tensor, lib.status);
      lib.symbols.TF_SetAttrType(description, cString("dtype"), dtype);
      return { op: this.#finish(description, "Const"), index: 0, shape, dtype };
    } finally {
      lib.symbols.TF_DeleteTensor(tensor);
    }
  }

  /** tfjs's gradients multiply by tensors of ones: one value and a shape instead of all of it. */
  #fill(shape: number[], value: number): Symbol {
    const dims = this.binding.createTensor([shape.length], DataType.int32, Int32Array.from(shape));
    const scalar = this.binding.createTensor([], DataType.float, Float32Array.of(value));
    const [filled] = this.record("Fill", [
      { name: "T", type: AttributeType.type, value: DataType.float },
      { name: "index_type", type: AttributeType.type, value: DataType.int32 },
    ], [dims, scalar]);
    this.binding.deleteTensor(dims);
    this.binding.deleteTensor(scalar);
    return this.#symbol((filled as TensorMetadata).id);
  }

  #newOperation(kind: string): Deno.PointerValue {
    const name = new TextEncoder().encode(`n${this.#operations++}\0`);
    return this.binding.lib.symbols.TF_NewOperation(this.#graph, cString(kind), name);
  }

  #finish(description: Deno.PointerValue, kind: string): Deno.PointerValue {
    const op = this.binding.lib.symbols.TF_FinishOperation(description, this.binding.lib.status);
    this.binding.lib.check(`record ${kind}`);
    return op;
  }

  #define(symbol: Symbol): TensorMetadata {
    const id = this.#nextId--;
    this.#symbols.set(id, symbol);
    return { id, shape: symbol.shape, dtype: symbol.dtype };
  }

  #infer(op: Deno.PointerValue, index: number, kind: string): Symbol {
    const { symbols, status } = this.binding.lib;
    const output = this.#outputs([{ op, index }]);
    const rank = symbols.TF_GraphGetTensorNumDims(this.#graph, output, status);
    const dims = new BigInt64Array(Math.max(rank, 1));
    if (rank > 0) symbols.TF_GraphGetTensorShape(this.#graph, output, dims, rank, status);
    this.binding.lib.check(`infer the shape of ${kind}`);
    const shape = [...dims.subarray(0, Math.max(rank, 0))].map(Number);
    if (rank < 0 || shape.some((dim) => dim < 0)) {
      throw new TypeError(`Cannot compile ${kind}: its output shape depends on values`);
    }
    return { op, index, shape, dtype: symbols.TF_OperationOutputType(output) };
  }

  /** TF_Output structs, one after the other: pointer, index, padding. */
  #outputs(symbols: { op: Deno.PointerValue; index: number }[]): Uint8Array<ArrayBuffer> {
    const { addressOf } = this.binding.lib.memory;
    const words = new BigUint64Array(symbols.length * 2);
    symbols.forEach(({ op, index }, i) => {
      words[2 * i] = addressOf(op);
      words[2 * i + 1] = BigInt(index);
    });
    return new Uint8Array(words.buffer);
  }
}

function uniformValue(values: ArrayLike<number>): number | null {
  const first = values[0] ?? 0;
  for (let i = 1; i < values.length; i++) if (values[i] !== first) return null;
  return first;
}
