// TensorFlow's C API by Deno FFI: the symbols we call, C strings, status checks.
// Lowest floor of core/engine: binding.ts runs ops with it, record.ts builds graphs with it.
// Source: tensorflow/c/c_api.h and tensorflow/c/eager/c_api.h of TensorFlow 2.21.

const TF_OUTPUT = { struct: ["pointer", "i32", "i32"] } as const; // TF_Output, padded to 16 bytes

const SYMBOLS = {
  TF_Version: { parameters: [], result: "pointer" },
  TF_NewStatus: { parameters: [], result: "pointer" },
  TF_GetCode: { parameters: ["pointer"], result: "i32" },
  TF_Message: { parameters: ["pointer"], result: "pointer" },
  TF_AllocateTensor: { parameters: ["i32", "buffer", "i32", "usize"], result: "pointer" },
  TF_TensorData: { parameters: ["pointer"], result: "pointer" },
  TF_TensorByteSize: { parameters: ["pointer"], result: "usize" },
  TF_DeleteTensor: { parameters: ["pointer"], result: "void" },

  TFE_NewContextOptions: { parameters: [], result: "pointer" },
  TFE_ContextOptionsSetConfig: {
    parameters: ["pointer", "buffer", "usize", "pointer"],
    result: "void",
  },
  TFE_DeleteContextOptions: { parameters: ["pointer"], result: "void" },
  TFE_NewContext: { parameters: ["pointer", "pointer"], result: "pointer" },
  TFE_DeleteContext: { parameters: ["pointer"], result: "void" },
  TFE_ContextListDevices: { parameters: ["pointer", "pointer"], result: "pointer" },
  TF_DeviceListCount: { parameters: ["pointer"], result: "i32" },
  TF_DeviceListName: { parameters: ["pointer", "i32", "pointer"], result: "pointer" },
  TF_DeleteDeviceList: { parameters: ["pointer"], result: "void" },
  TFE_ContextAddFunction: { parameters: ["pointer", "pointer", "pointer"], result: "void" },
  TFE_ContextRemoveFunction: { parameters: ["pointer", "buffer", "pointer"], result: "void" },

  TFE_NewTensorHandle: { parameters: ["pointer", "pointer"], result: "pointer" },
  TFE_TensorHandleResolve: { parameters: ["pointer", "pointer"], result: "pointer" },
  TFE_DeleteTensorHandle: { parameters: ["pointer"], result: "void" },
  TFE_TensorHandleNumDims: { parameters: ["pointer", "pointer"], result: "i32" },
  TFE_TensorHandleDim: { parameters: ["pointer", "i32", "pointer"], result: "i64" },
  TFE_TensorHandleDataType: { parameters: ["pointer"], result: "i32" },
  TFE_NewOp: { parameters: ["pointer", "buffer", "pointer"], result: "pointer" },
  TFE_OpSetDevice: { parameters: ["pointer", "buffer", "pointer"], result: "void" },
  TFE_OpReset: { parameters: ["pointer", "buffer", "buffer", "pointer"], result: "void" },
  TFE_OpAddInput: { parameters: ["pointer", "pointer", "pointer"], result: "void" },
  TFE_DeleteOp: { parameters: ["pointer"], result: "void" },
  TFE_OpSetAttrType: { parameters: ["pointer", "buffer", "i32"], result: "void" },
  TFE_OpSetAttrBool: { parameters: ["pointer", "buffer", "u8"], result: "void" },
  TFE_OpSetAttrInt: { parameters: ["pointer", "buffer", "i64"], result: "void" },
  TFE_OpSetAttrFloat: { parameters: ["pointer", "buffer", "f32"], result: "void" },
  TFE_OpSetAttrString: { parameters: ["pointer", "buffer", "buffer", "usize"], result: "void" },
  TFE_OpSetAttrIntList: { parameters: ["pointer", "buffer", "buffer", "i32"], result: "void" },
  TFE_OpSetAttrShape: {
    parameters: ["pointer", "buffer", "buffer", "i32", "pointer"],
    result: "void",
  },
  TFE_Execute: { parameters: ["pointer", "buffer", "buffer", "pointer"], result: "void" },

  TF_NewGraph: { parameters: [], result: "pointer" },
  TF_DeleteGraph: { parameters: ["pointer"], result: "void" },
  TF_NewOperation: { parameters: ["pointer", "buffer", "buffer"], result: "pointer" },
  TF_AddInput: { parameters: ["pointer", TF_OUTPUT], result: "void" },
  TF_AddInputList: { parameters: ["pointer", "buffer", "i32"], result: "void" },
  TF_FinishOperation: { parameters: ["pointer", "pointer"], result: "pointer" },
  TF_SetAttrType: { parameters: ["pointer", "buffer", "i32"], result: "void" },
  TF_SetAttrBool: { parameters: ["pointer", "buffer", "u8"], result: "void" },
  TF_SetAttrInt: { parameters: ["pointer", "buffer", "i64"], result: "void" },
  TF_SetAttrFloat: { parameters: ["pointer", "buffer", "f32"], result: "void" },
  TF_SetAttrString: { parameters: ["pointer", "buffer", "buffer", "usize"], result: "void" },
  TF_SetAttrIntList: { parameters: ["pointer", "buffer", "buffer", "i32"], result: "void" },
  TF_SetAttrShape: { parameters: ["pointer", "buffer", "buffer", "i32"], result: "void" },
  TF_SetAttrTensor: { parameters: ["pointer", "buffer", "pointer", "pointer"], result: "void" },
  TF_GraphGetTensorNumDims: { parameters: ["pointer", TF_OUTPUT, "pointer"], result: "i32" },
  TF_GraphGetTensorShape: {
    parameters: ["pointer", TF_OUTPUT, "buffer", "i32", "pointer"],
    result: "void",
  },
  TF_OperationOutputType: { parameters: [TF_OUTPUT], result: "i32" },
  TF_OperationNumOutputs: { parameters: ["pointer"], result: "i32" },
  TF_GraphToFunction: {
    parameters: [
      "pointer",
      "buffer",
      "u8",
      "i32",
      "pointer",
      "i32",
      "buffer",
      "i32",
      "buffer",
      "pointer",
      "pointer",
      "pointer",
      "pointer",
    ],
    result: "pointer",
  },
  TF_DeleteFunction: { parameters: ["pointer"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * The system's own functions, found through any library that links to them. Memory is read with them
 * because Deno.UnsafePointerView asks for permission to open any library, these for this one only.
 */
const SYSTEM = {
  dlopen: { parameters: ["buffer", "i32"], result: "pointer" },
  strlen: { parameters: ["pointer"], result: "usize" },
  copyOut: { name: "memcpy", parameters: ["buffer", "pointer", "usize"], result: "void" },
  copyIn: { name: "memcpy", parameters: ["pointer", "buffer", "usize"], result: "void" },
  // memcpy returns where it copied to: with no bytes to copy, a pointer's address and back.
  addressOf: { name: "memcpy", parameters: ["pointer", "pointer", "usize"], result: "usize" },
  pointerAt: { name: "memcpy", parameters: ["usize", "usize", "usize"], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;
const RTLD_LAZY = 1;

/** TF_DataType codes that the engine handles. */
export const DataType = { float: 1, int32: 3, uint8: 4, int64: 9, bool: 10, bfloat16: 14 } as const;

/** Bytes of one element by TF_DataType code. */
export const bytesPerElement: Readonly<Record<number, number>> = {
  1: 4,
  3: 4,
  4: 1,
  9: 8,
  10: 1,
  14: 2,
};

export type Symbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** An open libtensorflow: its symbols, a status object, and the helpers that every caller needs. */
export interface LibTensorflow {
  symbols: Symbols;
  status: Deno.PointerValue;
  version: string;
  memory: Memory;
  /** Throws what the status object holds, if it holds an error. */
  check(doing: string): void;
}

/** What lies behind pointers that TensorFlow gave out. */
export interface Memory {
  /** A copy of `length` bytes. */
  read(pointer: Deno.PointerValue, length: number): Uint8Array<ArrayBuffer>;
  write(pointer: Deno.PointerValue, bytes: Uint8Array): void;
  /** The NUL-terminated string there; empty for NULL. */
  readString(pointer: Deno.PointerValue): string;
  addressOf(pointer: Deno.PointerValue): bigint;
  pointerAt(address: bigint): Deno.PointerValue;
}

/**
 * Opens the two libraries in `directory`. Throws if one is missing or damaged.
 * The framework library comes first: the other needs its symbols.
 */
export function openLibtensorflow(directory: string): LibTensorflow {
  setLibraryVariables();
  const framework = frameworkPath(directory);
  const library = `${directory}/libtensorflow_cc.so.2`;
  const system = Deno.dlopen(framework, SYSTEM).symbols;
  const { symbols } = Deno.dlopen(library, SYMBOLS);
  // Deno closes its libraries when a thread of JavaScript ends, and TensorFlow's own threads would
  // go on in code that is no longer mapped. Opened once more by hand, they stay.
  for (const path of [framework, library]) system.dlopen(cString(path), RTLD_LAZY);
  const memory = memoryThrough(system);
  const status = symbols.TF_NewStatus();
  return {
    symbols,
    status,
    version: memory.readString(symbols.TF_Version()),
    memory,
    check(doing) {
      if (symbols.TF_GetCode(status) !== 0) {
        throw new Error(`Cannot ${doing}: ${memory.readString(symbols.TF_Message(status))}`);
      }
    },
  };
}

/** Sets what the libraries read from the environment while they load. */
export function setLibraryVariables(): void {
  Deno.env.set("TF_CPP_MIN_LOG_LEVEL", "2"); // its start-up notes are not for our users
  // Otherwise the first engine of the process decides the thread count of all later ones.
  Deno.env.set("TF_OVERRIDE_GLOBAL_THREADPOOL", "1");
}

/** The library that the others need, loaded first. */
export function frameworkPath(directory: string): string {
  return `${directory}/libtensorflow_framework.so.2`;
}

function memoryThrough(system: Deno.DynamicLibrary<typeof SYSTEM>["symbols"]): Memory {
  const read = (pointer: Deno.PointerValue, length: number) => {
    const bytes = new Uint8Array(length);
    if (length > 0) system.copyOut(bytes, pointer, BigInt(length));
    return bytes;
  };
  return {
    read,
    write: (pointer, bytes) => system.copyIn(pointer, unshared(bytes), BigInt(bytes.length)),
    readString: (pointer) =>
      pointer === null
        ? ""
        : new TextDecoder().decode(read(pointer, Number(system.strlen(pointer)))),
    addressOf: (pointer) => system.addressOf(pointer, pointer, 0n),
    pointerAt: (address) => system.pointerAt(address, address, 0n),
  };
}

/** The same bytes as FFI takes them: memory that no other thread writes. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = bytes;
  return buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer, byteOffset, length)
    : new Uint8Array(bytes);
}

const encoder = new TextEncoder();
const cStrings = new Map<string, Uint8Array<ArrayBuffer>>();

/** A NUL-terminated UTF-8 copy of `text`, kept for the next call: names of ops and attributes recur. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  let bytes = cStrings.get(text);
  if (bytes === undefined) {
    bytes = encoder.encode(text + "\0");
    cStrings.set(text, bytes);
  }
  return bytes;
}
