// Looks at a data set before anything is trained on it: reads it as training would, counts its tokens
// with the model's tokenizer, and reports what is in it. No engine and no weights are needed.
import type { RunConfig } from "../core/config.ts";
import { type RowLengths, rowLengths } from "../core/dataset/lengths.ts";
import {
  type DataReport,
  instructionRows,
  type PartReport,
  preferenceRows,
  reportRows,
  rowLeakage,
  type Rows,
} from "../core/dataset/report.ts";
import { InputError } from "../core/errors.ts";
import { withAnyTemplate } from "../core/text/alpaca_template.ts";
import type { ChatTokenizer } from "../core/text/tokenizer.ts";
import { readInstructions } from "../data/datasets/instructions/mod.ts";
import { readDataset } from "../data/datasets/mod.ts";
import { withLocalData } from "./hub_data.ts";
import { openBase } from "./machine.ts";
import type { SessionOptions } from "./protocol.ts";
import { wantedDimensions } from "./run_data.ts";
import { runLengths } from "./run_lengths.ts";

/** Which data to look at, with whose tokenizer. */
export interface DataRequest extends
  Pick<
    RunConfig,
    "dataset" | "eval_dataset" | "columns" | "dimensions" | "objective" | "max_length" | "revision"
  > {
  model: string;
}

/** Reads, tokenizes and reports. Throws InputError as training would. */
export async function runDataReport(
  given: DataRequest,
  options: SessionOptions,
): Promise<DataReport> {
  const request = await withLocalData(given, options);
  const { dataset, eval_dataset, objective, model, revision } = request;
  const read = kinds[objective];
  const train = await read(dataset, request, "train");
  const test = eval_dataset === undefined
    ? null
    : await read(eval_dataset, { ...request, dimensions: train.dimensions.join(",") }, "test");
  const base = await openBase({ model, revision }, options);
  const { tokenizer } = base;
  const { maxLength } = runLengths({ ...request, overlong: "drop" }, base);
  const counting = withAnyTemplate(tokenizer);
  const reportPart = async (part: ReadPart, spec: string): Promise<PartReport> => {
    const { lengths, refused } = await measure(part.rows, { tokenizer: counting, options });
    return { dataset: spec, ...part.found, ...reportRows(part.rows, lengths, maxLength), refused };
  };
  return {
    objective,
    model,
    assumedTemplate: !tokenizer.hasTemplate,
    maxLength,
    dimensions: train.dimensions,
    train: await reportPart(train, given.dataset),
    test: test && await reportPart(test, given.eval_dataset ?? ""),
    leakage: test && rowLeakage(train.rows, test.rows),
  };
}

/** Rows of one dataset option, and what was left out of them. */
interface ReadPart {
  dimensions: string[];
  rows: Rows;
  found: Pick<PartReport, "files" | "rows" | "leftOut">;
}

type ReadKind = (
  spec: string,
  request: Pick<DataRequest, "columns" | "dimensions">,
  split: "train" | "test",
) => Promise<ReadPart>;

/** How the data of each objective are read. */
const kinds: Record<RunConfig["objective"], ReadKind> = {
  dpo: readPreferences,
  reward: readPreferences,
  ppo: readPreferences,
  sft: readDialogues,
};

async function readPreferences(
  ...[spec, request]: Parameters<ReadKind>
): Promise<ReadPart> {
  const dimensions = wantedDimensions(request);
  const { dataset, reading } = await readDataset(spec, { dimensions, columns: request.columns });
  return {
    dimensions: dataset.dimensions,
    rows: preferenceRows(dataset.dimensions, dataset.examples),
    found: {
      files: reading?.files ?? [],
      rows: reading?.rows ?? null,
      leftOut: { ...reading?.leftOut },
    },
  };
}

async function readDialogues(
  ...[spec, { columns }, split]: Parameters<ReadKind>
): Promise<ReadPart> {
  const { dataset, reading } = await readInstructions(spec, { columns, split });
  return {
    dimensions: [],
    rows: instructionRows(dataset.examples),
    found: {
      files: reading?.files ?? [],
      rows: reading?.rows ?? null,
      leftOut: reading === null ? {} : { silent: reading.silent },
    },
  };
}

const ROWS_A_TURN = 128;

/** Lengths of all rows, null for those that the template refuses. */
async function measure(
  { texts }: Rows,
  { tokenizer, options: { onEvent, signal } }: {
    tokenizer: ChatTokenizer;
    options: SessionOptions;
  },
): Promise<{ lengths: (RowLengths | null)[]; refused: PartReport["refused"] }> {
  const lengths: (RowLengths | null)[] = [];
  const refused: PartReport["refused"] = { examples: 0, message: null };
  for (const [row, { prompt, responses }] of texts.entries()) {
    if (row % ROWS_A_TURN === 0) {
      onEvent({ type: "progress", what: "Counting tokens", done: row, total: texts.length });
      await new Promise((resolve) => setTimeout(resolve)); // signals get a turn
      signal.throwIfAborted();
    }
    try {
      lengths.push(rowLengths(tokenizer, prompt, responses));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      lengths.push(null);
      refused.examples++;
      refused.message ??= error.message;
    }
  }
  return { lengths, refused };
}
