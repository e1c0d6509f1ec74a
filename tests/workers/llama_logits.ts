// llama.cpp's logits for tests, by a process of its own (export_llama.ts).
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("./export_llama.ts", import.meta.url));

/** A LoRA and what it is multiplied by. */
export interface ScaledFile {
  filePath: string;
  scale: number;
}

/** llama.cpp's logits (N, T, V) after each of `ids`, with the LoRAs of each case. */
export async function llamaLogits(
  model: string,
  { ids, cases }: { ids: number[]; cases: ScaledFile[][] },
): Promise<number[][][]> {
  const child = new Deno.Command(Deno.execPath(), {
    // Its packages are those of its own folder, not of this repository.
    args: ["run", "-A", "--no-check", "--no-config", "--node-modules-dir=manual", script],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify({ model, ids, cases })));
  await writer.close();
  const { stdout, stderr, success } = await child.output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}
