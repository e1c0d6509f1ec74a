// A LoRA on the maps that a family's own files have: Phi-3 keeps queries, keys and values below each
// other in one map, gate and up in another, and so do the tools that read such files.
import type { DecoderConfig } from "../models/config.ts";
import { layoutOf } from "../models/weights.ts";
import type { Lora, LoraMap } from "./lora_maps.ts";

/**
 * The same increments, on the maps of the family's files. For n maps in one, A holds theirs below each
 * other and B theirs on its diagonal, of rank n·r; as every map of a LoRA has the same rank, the others
 * get rows and columns of zeros. Where nothing is fused this is the LoRA as it is.
 */
export function fuseMaps(lora: Lora, config: DecoderConfig): Lora {
  const places = placesOf(config);
  const groups = Map.groupBy(lora.maps, ({ module }) => places.get(module)?.module ?? module);
  const most = Math.max(1, ...[...groups.values()].map(({ length }) => length));
  if (most === 1 && [...groups.keys()].every((name) => name === places.get(name)?.module)) {
    return lora;
  }
  const rank = most * lora.rank;
  const maps = [...groups].map(([module, parts]): LoraMap => {
    const inputs = parts[0]?.in ?? 0;
    const out = places.get(parts[0]?.module ?? "")?.rows ?? 0;
    const A = new Float32Array(rank * inputs);
    const B = new Float32Array(out * rank);
    parts.forEach((part, n) => {
      const first = n * lora.rank; // of the columns of B that are this part's
      const start = places.get(part.module)?.start ?? 0;
      A.set(part.A, first * inputs);
      for (let o = 0; o < part.out; o++) {
        const row = part.B.subarray(o * lora.rank, (o + 1) * lora.rank);
        B.set(row, (start + o) * rank + first);
      }
    });
    return { module, in: inputs, out, A, B };
  });
  return { rank, maps };
}

/** Where the rows of a map lie: the file's map, its rows, and the first that is this map's. */
interface RowPlace {
  module: string;
  rows: number;
  start: number;
}

/** The places of all linear maps, by our name. */
function placesOf(config: DecoderConfig): Map<string, RowPlace> {
  const { places, tensors } = layoutOf(config);
  return new Map(
    [...places].filter(([name]) => name.endsWith(".weight")).map(([name, { tensor, start }]) => {
      const [rows = 0, width = 1] = tensors.get(tensor) ?? [];
      return [moduleOf(name), { module: moduleOf(tensor), rows, start: start / width }];
    }),
  );
}

function moduleOf(weight: string): string {
  return weight.replace(/\.weight$/, "");
}
