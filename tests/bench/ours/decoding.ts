// What the decoding scripts beside this file need: the decoder of chats on SmolLM2-135M, on the real
// model where its file is given and on random weights of its shape otherwise, and an adapter of rank
// 8 + 2 on every linear map.
import { adaptedMaps, initParameters } from "../../../core/adapters/parameters.ts";
import { svdLora } from "../../../core/adapters/svd_lora.ts";
import type {
  AdapterSource,
  DecodeAdapter,
  Decoder,
  WeightFormat,
} from "../../../core/generate/decoder.ts";
import { Random } from "../../../core/random.ts";
import { openModel } from "../../../data/models.ts";
import { graphCache, loadDecoder } from "../../../workers/decoders.ts";
import { adapterShape, smollm2 } from "../shape.ts";
import { randomWeights } from "./random_weights.ts";

const STRENGTH = 1e-3; // of the adapter: nothing in it is zero, nothing it adds is large

/** A decoder and an adapter loaded by it. Caller disposes the decoder. */
export interface Decoding {
  decoder: Decoder;
  adapter: DecodeAdapter;
}

/** Opens `model`, a GGUF file of SmolLM2-135M, or random weights; its weight file goes to the cache. */
export async function openDecoding(
  { format, model, threads = 0 }: { format?: string; model?: string; threads?: number },
): Promise<Decoding> {
  const random = new Random(1);
  const opened = model === undefined
    ? {
      config: smollm2,
      weights: randomWeights(random.fork("weights")),
      fingerprint: "random",
      name: "random",
      close: () => {},
    }
    : await openModel(model);
  try {
    const options = {
      format: formatOf(format),
      threads,
      spin: true,
      cacheFolder: graphCache(Deno.env.get),
    };
    const decoder = await loadDecoder(opened, options);
    const adapter = decoder.loadAdapter(randomAdapter(random.fork("adapter")));
    return { decoder, adapter };
  } finally {
    opened.close();
  }
}

/** λ of two dimensions from one end to the other, n of them. */
export function spreadPreferences(n: number): number[][] {
  return Array.from({ length: n }, (_, i) => {
    const first = n === 1 ? 0.5 : i / (n - 1);
    return [first, 1 - first];
  });
}

/** The ids that a generation starts with: n different ones. */
export function promptIds(n: number): number[] {
  return Array.from({ length: n }, (_, i) => 1000 + 7 * i);
}

/** The weight format of that name. Throws RangeError where there is none. */
export function formatOf(word: string | undefined): WeightFormat {
  if (word === "float32" || word === "int8" || word === "int4") return word;
  throw new RangeError(`Cannot decode: expected float32, int8 or int4, got ${word}`);
}

/** An adapter on every map, none of whose parameters is zero. */
function randomAdapter(random: Random): AdapterSource {
  const adapter = svdLora({ ...adapterShape, init: "gaussian" });
  const maps = adaptedMaps(smollm2, "layers.");
  const parameters = initParameters(adapter, maps, { config: smollm2, random });
  for (const [name, { values }] of parameters) {
    if (/\.(sigma|s)$/.test(name)) values.forEach((_, i) => values[i] = STRENGTH * random.normal());
  }
  return { id: "random", adapter, objectives: adapterShape.objectives, parameters };
}
