// Writes ONNX models: a thin layer over the protobuf types of npm onnx-proto, so that
// core/generate/graph.ts reads as the decoder's computation.
// Source: onnx.proto of ONNX 1.10 (https://github.com/onnx/onnx/blob/v1.10.2/onnx/onnx.proto).
import onnxProto from "onnx-proto";
import type { onnx as types } from "onnx-proto";

const { onnx } = onnxProto as unknown as { onnx: typeof types };

/** Element types used here, as ONNX numbers them. */
const elementTypes = { float32: 1, uint8: 2, int32: 6, int64: 7 } as const;
export type ElementType = keyof typeof elementTypes;

/** A dimension: a size, or a name for one that is known only when the graph runs. */
export type Dimension = number | string;

/** Attributes of a node: whole numbers are ints, others must be given as `{ float }`. */
export type Attributes = Record<string, number | string | number[] | { float: number }>;

/** A constant of the graph that lies in a file beside it. */
export interface ExternalTensor {
  name: string;
  type: ElementType;
  dims: number[];
  offset: number; // bytes
  bytes: number;
}

/** A graph under construction; every method that makes a value returns its name. */
export class GraphBuilder {
  private readonly nodes: types.INodeProto[] = [];
  private readonly inputs: types.IValueInfoProto[] = [];
  private readonly outputs: types.IValueInfoProto[] = [];
  private readonly initializers = new Map<string, types.ITensorProto>();
  private count = 0;

  input(name: string, type: ElementType, dims: Dimension[]): string {
    this.inputs.push(valueInfo(name, type, dims));
    return name;
  }

  output(name: string, type: ElementType, dims: Dimension[]): string {
    this.outputs.push(valueInfo(name, type, dims));
    return name;
  }

  /** A small constant of whole numbers inside the model. */
  integers(values: number[]): string {
    const name = `integers_${values.join("_")}`;
    const rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    this.initializers.set(name, {
      name,
      dataType: elementTypes.int64,
      dims: [values.length],
      rawData,
    });
    return name;
  }

  /** A number inside the model. */
  scalar(value: number): string {
    const name = `scalar_${value}`;
    const rawData = new Uint8Array(Float32Array.of(value).buffer);
    this.initializers.set(name, { name, dataType: elementTypes.float32, dims: [], rawData });
    return name;
  }

  /** A constant in `file`, a name relative to the model's folder. */
  external({ name, type, dims, offset, bytes }: ExternalTensor, file: string): string {
    this.initializers.set(name, {
      name,
      dims,
      dataType: elementTypes[type],
      dataLocation: onnx.TensorProto.DataLocation.EXTERNAL,
      externalData: [
        { key: "location", value: file },
        { key: "offset", value: String(offset) },
        { key: "length", value: String(bytes) },
      ],
    });
    return name;
  }

  /** A node; "" stands for an input or output that is left out. Returns its first output. */
  node(
    opType: string,
    inputs: string[],
    { outputs, domain = "", attributes = {} }: {
      outputs?: string[];
      domain?: "" | "com.microsoft";
      attributes?: Attributes;
    } = {},
  ): string {
    const name = `${opType}_${this.count++}`;
    const output = outputs ?? [name];
    this.nodes.push({
      name,
      opType,
      domain,
      input: inputs,
      output,
      attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
    });
    return output.find((value) => value !== "") ?? "";
  }

  /** The model's bytes. */
  encode(name: string): Uint8Array {
    return onnx.ModelProto.encode({
      irVersion: onnx.Version.IR_VERSION,
      producerName: "panacea",
      opsetImport: [{ domain: "", version: 17 }, { domain: "com.microsoft", version: 1 }],
      graph: {
        name,
        node: this.nodes,
        input: this.inputs,
        output: this.outputs,
        initializer: [...this.initializers.values()],
      },
    }).finish();
  }
}

function valueInfo(name: string, type: ElementType, dims: Dimension[]): types.IValueInfoProto {
  const dim = dims.map((size) =>
    typeof size === "number" ? { dimValue: size } : { dimParam: size }
  );
  return { name, type: { tensorType: { elemType: elementTypes[type], shape: { dim } } } };
}

function attribute(name: string, value: Attributes[string]): types.IAttributeProto {
  const { AttributeType } = onnx.AttributeProto;
  if (typeof value === "number") return { name, type: AttributeType.INT, i: value };
  if (typeof value === "string") {
    return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
  }
  if (Array.isArray(value)) return { name, type: AttributeType.INTS, ints: value };
  return { name, type: AttributeType.FLOAT, f: value.float };
}
