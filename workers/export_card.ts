// The README.md of an export: what it is, how other tools take it, its front, what it was made from.
import type { RunConfig } from "../core/config.ts";
import type { FrontReport } from "../core/front/report.ts";
import type { AdapterConfig } from "../data/store/adapter_config.ts";
import type { ExportRecord } from "../data/store/exports.ts";
import { hideFolders } from "../data/store/hide_folders.ts";
import type { ExportFormat } from "./export_formats.ts";
import { frontSection, introduction, licenseLine, madeFrom } from "./model_card.ts";

/** What a card tells besides the record of the export. */
export interface CardParts {
  config: AdapterConfig;
  run: RunConfig | null;
  front?: FrontReport;
  picture: string; // path of the front's picture beside the card
  license?: string; // of the training data
}

/** Markdown card with the metadata block that the Hugging Face hub reads; it names no machine path. */
export function exportCard(record: ExportRecord, parts: CardParts): string {
  const { config, run, front, picture, license } = parts;
  const { library, title, use } = formatCards[record.kind as ExportFormat];
  return hideFolders([
    "---",
    `base_model: ${JSON.stringify(record.base_model)}`,
    ...library === undefined ? [] : [`library_name: ${library}`],
    ...licenseLine(license),
    "tags: [preference-conditioned, svd-lora, panacea]",
    "---",
    "",
    `# ${title(record)}`,
    "",
    introduction(config),
    "",
    "## Use",
    "",
    ...use(record),
    "",
    ...frontSection(front, picture),
    ...madeFrom({ ...config, base_model: record.base_model }, run, { license }),
  ].join("\n"));
}

interface FormatCard {
  library?: string; // by the hub's names
  title(record: ExportRecord): string;
  use(record: ExportRecord): string[]; // Markdown lines
}

const formatCards: Record<ExportFormat, FormatCard> = {
  peft: {
    library: "peft",
    title: (record) => `${record.adapter} at ${lambda(record)}: a LoRA`,
    use: ({ base_model }) => [
      "```python",
      "from peft import PeftModel",
      "from transformers import AutoModelForCausalLM",
      `base = AutoModelForCausalLM.from_pretrained(${JSON.stringify(base_model)})`,
      'model = PeftModel.from_pretrained(base, "this folder")',
      "```",
    ],
  },
  merged: {
    library: "transformers",
    title: (record) => `${record.adapter} at ${lambda(record)}: merged into ${record.base_model}`,
    use: () => [
      "```python",
      "from transformers import AutoModelForCausalLM, AutoTokenizer",
      'model = AutoModelForCausalLM.from_pretrained("this folder")',
      'tokenizer = AutoTokenizer.from_pretrained("this folder")',
      "```",
    ],
  },
  "gguf-lora": {
    title: (record) => `${record.adapter} at ${lambda(record)}: a LoRA for llama.cpp`,
    use: () => [
      "```sh",
      "llama-server -m base.gguf --lora adapter.gguf",
      "```",
      "",
      "`base.gguf`: the base model as llama.cpp's converter makes it, at any quantisation.",
    ],
  },
  onnx: {
    library: "onnxruntime",
    title: ({ adapter, base_model }) => `${adapter} on ${base_model}: an ONNX model that takes λ`,
    use: onnxUse,
  },
  split: {
    title: ({ adapter }) => `${adapter}: LoRAs that give every preference`,
    use: splitUse,
  },
};

/** How the LoRAs of a split are put together. */
function splitUse({ dimensions, loras = [], base_model }: ExportRecord): string[] {
  // Weights that sum to 1 and differ, so that it is seen which is whose.
  const example = dimensions.map((_, i) =>
    (2 * (dimensions.length - i)) / (dimensions.length * (dimensions.length + 1))
  );
  const scaleOf = ({ scale }: typeof loras[number]) =>
    scale === null ? 1 : Number((example[dimensions.indexOf(scale)] ?? NaN).toFixed(3));
  const request = loras.map((lora, id) => ({ id, scale: scaleOf(lora) }));
  const files = loras.map(({ gguf }) => gguf).join(",");
  return [
    "The weights are affine in λ, so these LoRAs, each times its scale, are the model of every λ:",
    "",
    "| id | scale | rank | llama.cpp | PEFT |",
    "| --- | --- | --- | --- | --- |",
    ...loras.map(({ scale, rank, gguf, peft }, id) =>
      `| ${id} | ${scale === null ? "1" : `λ ${scale}`} | ${rank} | ${gguf} | ${peft}/ |`
    ),
    "",
    `llama.cpp's server takes the scales with every request; here λ is ${
      dimensions.map((name, i) => `${name} ${example[i]?.toFixed(3)}`).join(", ")
    }:`,
    "",
    "```sh",
    `llama-server -m base.gguf --lora ${files} --lora-init-without-apply`,
    `curl http://127.0.0.1:8080/completion -d '${JSON.stringify({ prompt: "…", lora: request })}'`,
    "```",
    "",
    "PEFT, with the same λ:",
    "",
    "```python",
    "from peft import PeftModel",
    "from transformers import AutoModelForCausalLM",
    `base = AutoModelForCausalLM.from_pretrained(${JSON.stringify(base_model)})`,
    ...loras.map(({ peft }, i) =>
      i === 0
        ? `model = PeftModel.from_pretrained(base, ${JSON.stringify(peft)}, adapter_name=${
          JSON.stringify(peft)
        })`
        : `model.load_adapter(${JSON.stringify(peft)}, ${JSON.stringify(peft)})`
    ),
    `names, scales = ${JSON.stringify(loras.map(({ peft }) => peft))}, ${
      JSON.stringify(request.map(({ scale }) => scale))
    }`,
    'model.add_weighted_adapter(names, scales, "lambda", combination_type="cat")',
    'model.set_adapter("lambda")',
    "```",
    "",
    "vLLM takes one LoRA a request: export it with `--format peft` at the λ that are wanted.",
  ];
}

/** How an ONNX model is run: by hand, and in a browser. */
function onnxUse({ dimensions }: ExportRecord): string[] {
  const preference = dimensions.map(() => Number((1 / dimensions.length).toFixed(4)));
  return [
    "`index.html` runs the model in a browser, with a slider for λ and no server that computes: put the " +
    "folder on any static host, or open the page from the disk and choose the folder there.",
    "",
    "In Python (`pip install onnxruntime`), the logits after a prompt of token ids:",
    "",
    "```python",
    "import numpy as np, onnxruntime",
    'session = onnxruntime.InferenceSession("model.onnx")',
    "ids = np.array([[1, 2, 3]], np.int32)",
    `preference = ${JSON.stringify(preference)}  # λ: ${dimensions.join(", ")}; sums to 1`,
    "tokens = ids.shape[1]",
    "mask = np.triu(np.full((tokens, tokens), -np.inf, np.float32), 1)",
    "feeds = {",
    '    "ids": ids,',
    '    "positions": np.arange(tokens, dtype=np.int64)[None],',
    '    "score_parts": np.array([0, tokens], np.int64),  # tokens before these, and these',
    '    "output_rows": np.array([tokens - 1], np.int32),',
    '    "preference": np.array(preference, np.float32)[None, None],',
    "}",
    "for put in session.get_inputs():",
    '    if put.name.startswith("mask"):',
    "        feeds[put.name] = mask[None, None, None]",
    '    if put.name.startswith("past"):  # keys and values of the tokens before: none',
    "        heads, size = put.shape[1], put.shape[4]",
    "        feeds[put.name] = np.zeros((1, heads, 1, 0, size), np.float32)",
    'logits, present = session.run(["logits", "present"], feeds)',
    "```",
    "",
    "Rows of a batch may have different λ.",
  ];
}

function lambda({ dimensions, preference }: ExportRecord): string {
  return `λ ${
    (preference ?? []).map((weight, i) => `${dimensions[i]} ${Number(weight.toFixed(4))}`)
      .join(", ")
  }`;
}
