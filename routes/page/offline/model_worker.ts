// The Worker of the page: loads an exported model into ONNX Runtime's WebAssembly and answers with the
// same decoder, batcher and tokenizer as the service. Several questions share each step.
import "./set_immediate.ts";
import { type Batcher, createBatcher } from "../../../core/generate/batcher.ts";
import type { TextModel } from "../../../core/generate/request.ts";
import type { ChatTokenizer } from "../../../core/text/tokenizer.ts";
import type { FromWorker, Question, Source, ToWorker } from "./messages.ts";
import { loadModel } from "./load_model.ts";
import { modelFiles } from "./model_files.ts";

const batcher: Batcher = createBatcher({
  maxRows: 16,
  maxCacheBytes: 2 ** 30,
  maxWaiting: 16,
  prefixCacheBytes: 2 ** 26,
});
let loaded: (TextModel & { tokenizer: ChatTokenizer }) | undefined;
let stopping = new AbortController();

self.addEventListener("message", async ({ data }: MessageEvent<ToWorker>) => {
  const key = data.type === "ask" ? data.question.key : null;
  try {
    if (data.type === "load") await load(data.source);
    else if (data.type === "ask") await answer(data.question);
    else stop();
  } catch (error) {
    tell({ type: "failed", key, message: error instanceof Error ? error.message : String(error) });
  }
});

function tell(message: FromWorker): void {
  self.postMessage(message);
}

async function load(source: Source): Promise<void> {
  const { model, ...parts } = await loadModel(
    modelFiles(source),
    (what, done, total) => tell({ type: "progress", what, done, total }),
  );
  loaded = { id: model.name, ...parts };
  tell({ type: "ready", model });
}

async function answer({ key, text, ...question }: Question): Promise<void> {
  if (loaded === undefined) throw new TypeError("Cannot answer: expected a loaded model, got none");
  const { tokenizer, decoder } = loaded;
  const prompt = tokenizer.encode(tokenizer.renderPrompt([{ role: "user", content: text }]));
  const room = decoder.maxPositions - prompt.length;
  const request = {
    ...{ model: loaded, adapter: null, prompt, topP: 1, stop: [] },
    ...question,
    maxTokens: Math.max(1, Math.min(question.maxTokens, room)),
  };
  const start = performance.now();
  for await (const event of batcher.generate(request, stopping.signal)) {
    if (event.type === "text") {
      tell({ type: "text", key, text: event.text });
    } else {
      const seconds = (performance.now() - start) / 1000;
      tell({ type: "end", key, reason: event.reason, tokens: event.completionTokens, seconds });
    }
  }
}

/** Ends what runs, before its next token. */
function stop(): void {
  stopping.abort();
  stopping = new AbortController();
}
