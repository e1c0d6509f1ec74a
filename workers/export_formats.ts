// The formats of other tools that an adapter can be written in: one entry each, with what it needs, how
// it is written and what its card tells. export.ts reads the adapter and its base for all of them.
import { fuseMaps } from "../core/export/fused_maps.ts";
import { IN_BROWSER, type InBrowser } from "../core/export/in_browser.ts";
import { ggufLora } from "../core/export/gguf_lora.ts";
import { type AdaptedModules, type Lora, loraAt, splitLora } from "../core/export/lora_maps.ts";
import { onnxModel } from "../core/export/onnx_model.ts";
import { mergedWeights } from "../core/export/merged_weights.ts";
import { peftConfig, peftTensors } from "../core/export/peft.ts";
import type { WeightFormat } from "../core/generate/decoder.ts";
import { weightFileBytes } from "../core/generate/weight_file.ts";
import type { OpenedModel } from "../data/models.ts";
import { writeFolderAtomic } from "../data/store/atomic.ts";
import type { ExportRecord } from "../data/store/exports.ts";
import { encodeJson } from "../data/store/json.ts";
import type { StoredType } from "../data/store/model_folder.ts";
import { writeStreamedFolder } from "../data/store/streamed_folder.ts";
import { encodeTensors } from "../data/store/tensors.ts";
import { storeModel } from "./store_model.ts";

/** How merged weights can be stored, by transformers' words. */
const mergedTypes = { float32: "F32", bfloat16: "BF16", float16: "F16" } satisfies Types<
  StoredType
>;
/** How an ONNX model's can be: floats, or whole numbers in blocks of 32. */
const onnxTypes = { float32: "float32", int8: "int8", int4: "int4" } satisfies Types<WeightFormat>;
type Types<T> = Record<string, T>;
export type ExportDtype = keyof typeof mergedTypes | keyof typeof onnxTypes;
export const exportDtypes = Object.keys({ ...mergedTypes, ...onnxTypes }) as ExportDtype[];

type Files = Record<string, Uint8Array | string>;
type SplitLoras = NonNullable<ExportRecord["loras"]>;

/** What is exported, and where to. */
export interface ExportSubject {
  adapted: AdaptedModules;
  dimensions: string[];
  preference: number[] | null; // (M); null where the format serves every λ
  opened: OpenedModel; // the base
  /** What files call the adapter and the base. */
  name: string;
  base: string;
  /** One of the format's. */
  dtype: ExportDtype;
  output: string;
  /** The page that runs a model in a browser, for formats that bring it: file by file. */
  page(): Promise<Files>;
  /** The card and the record of the export, whose LoRAs a format adds. */
  describe(loras?: SplitLoras): Promise<Files>;
  onWeight(done: number, total: number): void;
}

/** How a format is written. */
export interface ExportFormatEntry {
  description: string; // for the help
  /** Whether a file of it is for one λ. */
  isForOnePreference: boolean;
  /** How its weights can be stored, the default first; one where there is no choice. */
  dtypes: readonly ExportDtype[];
  /** Whether the base's tokenizer goes with it. */
  hasText: boolean;
  /** Writes the folder; the ranks of its LoRAs. Throws as data/store's writers. */
  write(subject: ExportSubject): Promise<number[]>;
}

export const exportFormats = {
  peft: {
    description: "a LoRA for PEFT, transformers and vLLM",
    isForOnePreference: true,
    dtypes: ["float32"],
    hasText: false,
    async write(subject) {
      const { adapted, preference, opened: { config }, describe, output } = subject;
      const lora = fuseMaps(loraAt(adapted, preference ?? []), config);
      await writeFolderAtomic(output, { ...peftFiles(lora, subject), ...await describe() });
      return [lora.rank];
    },
  },
  merged: {
    description: "the base model with the adapter merged in, a folder for transformers",
    isForOnePreference: true,
    dtypes: keysOf(mergedTypes),
    hasText: true,
    async write({ adapted, preference, opened, dtype, output, describe, onWeight }) {
      const read = mergedWeights(opened.weights, { ...adapted, preference: preference ?? [] });
      let done = 0;
      await storeModel(output, {
        opened,
        files: await describe(),
        dtype: typeOf<StoredType>(mergedTypes, dtype),
        read: (name) => {
          onWeight(++done, opened.weights.names.length);
          return read(name);
        },
      });
      return [];
    },
  },
  "gguf-lora": {
    description: "a LoRA for llama.cpp",
    isForOnePreference: true,
    dtypes: ["float32"],
    hasText: false,
    async write({ adapted, preference, opened: { config }, name, output, describe }) {
      const lora = fuseMaps(loraAt(adapted, preference ?? []), config);
      const files = { "adapter.gguf": ggufLora(lora, { config, name }) };
      await writeFolderAtomic(output, { ...files, ...await describe() });
      return [lora.rank];
    },
  },
  split: {
    description: "LoRAs for llama.cpp and PEFT that give every λ, each by a scale of its own",
    isForOnePreference: false,
    dtypes: ["float32"],
    hasText: false,
    async write(subject) {
      const { adapted, dimensions, opened: { config }, name, output, describe } = subject;
      const files: Files = {};
      const loras: SplitLoras = [];
      for (const [id, { dimension, ...own }] of splitLora(adapted, dimensions.length).entries()) {
        const lora = fuseMaps(own.lora, config);
        const scale = dimension === null ? null : dimensions[dimension] ?? null;
        const part = `${id}-${(scale ?? "shared").replace(/[^A-Za-z0-9_-]+/g, "_").slice(0, 60)}`;
        const gguf = `${part}.gguf`;
        files[gguf] = ggufLora(lora, { config, name: `${name} ${part}` });
        for (const [file, content] of Object.entries(peftFiles(lora, subject))) {
          files[`${part}/${file}`] = content;
        }
        loras.push({ scale, rank: lora.rank, gguf, peft: part });
      }
      await writeFolderAtomic(output, { ...files, ...await describe(loras) });
      return loras.map(({ rank }) => rank);
    },
  },
  onnx: {
    description:
      "model and adapter with λ as an input, for ONNX Runtime, and a page that runs them " +
      "in a browser",
    isForOnePreference: false,
    dtypes: keysOf(onnxTypes),
    hasText: true,
    async write({ adapted, dimensions, opened, dtype, name, base, output, ...subject }) {
      const { config } = opened;
      const source = { ...adapted, id: name, objectives: dimensions.length };
      const file = "model.onnx.data";
      const { graph, weights } = onnxModel(config, source, {
        format: typeOf<WeightFormat>(onnxTypes, dtype),
        file,
      });
      const inBrowser: InBrowser = {
        ...{ name, base, dimensions, config, dtype },
        graph: "model.onnx",
        weights: { name: file, bytes: weights.bytes },
      };
      const onEntry = (done: number) => subject.onWeight(done, weights.entries.length);
      await writeStreamedFolder(output, {
        files: {
          ...await subject.page(),
          ...await opened.textFiles(),
          [inBrowser.graph]: graph,
          [IN_BROWSER]: encodeJson({ ...inBrowser }, { name: IN_BROWSER }) + "\n",
          ...await subject.describe(),
        },
        streams: [{
          name: file,
          size: weights.bytes,
          pieces: () => weightFileBytes(weights, opened.weights, onEntry),
        }],
      });
      return [];
    },
  },
} satisfies Record<string, ExportFormatEntry>;

/** Name of a format. */
export type ExportFormat = keyof typeof exportFormats;

/** The two files of a PEFT adapter. */
function peftFiles(
  lora: Lora,
  { opened: { config }, base }: Pick<ExportSubject, "opened" | "base">,
): Files {
  const name = "adapter_config.json";
  const json = peftConfig(lora, { name: base, layers: config.layers });
  return {
    [name]: encodeJson(json, { name }) + "\n",
    "adapter_model.safetensors": encodeTensors(peftTensors(lora), { name, format: "pt" }),
  };
}

function keysOf<T>(types: Partial<Record<ExportDtype, T>>): ExportDtype[] {
  return Object.keys(types) as ExportDtype[];
}

/** A format's own word for a type of its `dtypes`. */
function typeOf<T>(types: Partial<Record<ExportDtype, T>>, dtype: ExportDtype): T {
  const type = types[dtype];
  if (type !== undefined) return type;
  throw new RangeError(`Cannot export: expected one of ${keysOf(types).join(", ")}, got ${dtype}`);
}
