// Runs in the browser: logits of an exported model, by the decoder that its page uses.
import { loadModel } from "../../routes/page/offline/load_model.ts";
import { modelFiles } from "../../routes/page/offline/model_files.ts";

/** Logits after each of `ids` at every preference (N, T, V). */
async function offlineLogits(
  { ids, preferences }: { ids: number[]; preferences: number[][] },
): Promise<number[][][]> {
  const { decoder } = await loadModel(modelFiles({ address: location.href }), () => {});
  const all: number[][][] = [];
  for (const preference of preferences) {
    const sequence = decoder.start({ adapter: null, preference });
    const rows: number[][] = [];
    for (const id of ids) rows.push([...await decoder.prefill(sequence, [id])]);
    sequence.dispose();
    all.push(rows);
  }
  await decoder.dispose();
  return all;
}

Object.assign(globalThis, { offlineLogits });
