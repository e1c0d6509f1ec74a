// A text classifier of a few hundred bytes, written as a model folder: each label's logit is the sum
// of a weight per word, so that tests can work its rewards out by hand.
import onnxProto from "onnx-proto";
import type { onnx as types } from "onnx-proto";
import { join } from "node:path";

const { onnx } = onnxProto as unknown as { onnx: typeof types };

export interface TinyClassifier {
  /** Labels in order, each with the weight of words; words without one weigh 0. */
  labels: Record<string, Record<string, number>>;
  problemType?: string;
  /** Most tokens it reads. */
  limit?: number;
  /** Jinja text of a chat template. */
  chatTemplate?: string;
  /** Where the graph lies. */
  place?: string;
}

/** Writes the classifier into `folder`. */
export async function writeClassifier(
  folder: string,
  { labels, problemType, limit = 32, chatTemplate, place = "onnx/model.onnx" }: TinyClassifier,
): Promise<void> {
  const names = Object.keys(labels);
  const words = [...new Set(Object.values(labels).flatMap(Object.keys))];
  const vocabulary = [...special, ...words];
  await Deno.mkdir(join(folder, "onnx"), { recursive: true });
  const write = (file: string, value: unknown) =>
    Deno.writeTextFile(join(folder, file), JSON.stringify(value));
  await write("tokenizer.json", tokenizerJson(vocabulary));
  await write("tokenizer_config.json", {
    tokenizer_class: "PreTrainedTokenizerFast",
    pad_token: "[PAD]",
    unk_token: "[UNK]",
    sep_token: "[SEP]",
    model_max_length: limit,
    ...chatTemplate !== undefined && { chat_template: chatTemplate },
  });
  await write("config.json", {
    model_type: "distilbert",
    architectures: ["DistilBertForSequenceClassification"],
    id2label: Object.fromEntries(names.map((name, i) => [i, name])),
    ...problemType !== undefined && { problem_type: problemType },
  });
  const weights = vocabulary.flatMap((word) => names.map((name) => labels[name]?.[word] ?? 0));
  await Deno.writeFile(join(folder, place), graph(Float32Array.from(weights), names.length));
}

const special = ["[PAD]", "[UNK]", "[SEP]"];

function tokenizerJson(vocabulary: string[]): unknown {
  const sequence = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  const end = (type_id: number) => ({ SpecialToken: { id: "[SEP]", type_id } });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: { type: "Lowercase" },
    pre_tokenizer: { type: "Whitespace" },
    post_processor: {
      type: "TemplateProcessing",
      single: [sequence("A", 0), end(0)],
      pair: [sequence("A", 0), end(0), sequence("B", 1), end(1)],
      special_tokens: { "[SEP]": { id: "[SEP]", ids: [2], tokens: ["[SEP]"] } },
    },
    decoder: null,
    model: {
      type: "WordLevel",
      vocab: Object.fromEntries(vocabulary.map((word, id) => [word, id])),
      unk_token: "[UNK]",
    },
  };
}

/** logits = Σ over tokens of mask · table[id] */
function graph(table: Float32Array, labels: number): Uint8Array {
  const { INT } = onnx.AttributeProto.AttributeType;
  const [float, int64] = [1, 7];
  const value = (name: string, elemType: number, dims: string[]) => ({
    name,
    type: { tensorType: { elemType, shape: { dim: dims.map((dimParam) => ({ dimParam })) } } },
  });
  const int = (name: string, i: number) => ({ name, type: INT, i });
  const axis = (name: string, at: bigint) => ({
    name,
    dataType: int64,
    dims: [1],
    rawData: new Uint8Array(BigInt64Array.of(at).buffer),
  });
  return onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    graph: {
      name: "classifier",
      input: [
        value("input_ids", int64, ["rows", "tokens"]),
        value("attention_mask", int64, ["rows", "tokens"]),
      ],
      output: [value("logits", float, ["rows", "labels"])],
      initializer: [
        {
          name: "table",
          dataType: float,
          dims: [table.length / labels, labels],
          rawData: new Uint8Array(table.buffer),
        },
        axis("tokens", 1n),
        axis("last", -1n),
      ],
      node: [
        { opType: "Gather", input: ["table", "input_ids"], output: ["rows"] },
        { opType: "Cast", input: ["attention_mask"], output: ["ones"], attribute: [int("to", 1)] },
        { opType: "Unsqueeze", input: ["ones", "last"], output: ["mask"] },
        { opType: "Mul", input: ["rows", "mask"], output: ["kept"] },
        {
          opType: "ReduceSum",
          input: ["kept", "tokens"],
          output: ["logits"],
          attribute: [int("keepdims", 0)],
        },
      ],
    },
  }).finish();
}
