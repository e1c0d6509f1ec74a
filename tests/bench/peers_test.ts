import assert from "node:assert/strict";
import { findLlama } from "./llama_peer.ts";
import { findPeer, parseFinalAccuracies, parseStepLines, parseTrlLine } from "./peers.ts";
import { Unavailable } from "./row.ts";

Deno.test("parseStepLines() reads the peer's phases and what its total has left over", () => {
  const iterations = parseStepLines(
    "0 ref 4.50 fwd 4.25 bwd 5.50 TOTAL 14.50 loss 0.6931 maxrss 8.2 GB\n" +
      "1 ref 4.00 fwd 4.25 bwd 5.50 TOTAL 14.00 loss 0.6931 maxrss 8.3 GB\n",
  );
  assert.equal(iterations.length, 2);
  assert.deepEqual(iterations[1], {
    total: 14,
    withoutReference: 10, // 14 − 4
    reference: 4,
    forward: 4.25,
    backward: 5.5,
    update: 0.25, // 14 − 4 − 4.25 − 5.5
  });
});

Deno.test("parseStepLines() refuses output without such a line", () => {
  assert.throws(() => parseStepLines("Killed\n"), SyntaxError);
});

Deno.test("parseTrlLine() reads the seconds of TRL's median step", () => {
  const line = "TRL bf16: median step 33.10 s, 0.24 pairs/s, 60 tokens/s, peak 11.8 GB\n";
  assert.deepEqual(parseTrlLine(`loading\n${line}`), { total: 33.1 });
  assert.throws(() => parseTrlLine("Killed\n"), SyntaxError);
});

Deno.test("parseFinalAccuracies() takes each dimension at its own end of the front", () => {
  const output = "EVAL 30 [(0.0, [0.4, 0.6]), (0.5, [0.5, 0.5]), (1.0, [0.6, 0.4])]\n" +
    "EVAL final [(0.0, [0.275, 0.725]), (0.5, [0.5, 0.5]), (1.0, [0.738, 0.262])] 712s\n";
  assert.deepEqual(parseFinalAccuracies(output), { first: 0.738, second: 0.725 });
  assert.throws(() => parseFinalAccuracies("50 600s lam 0.5\n"), SyntaxError);
});

Deno.test("findPeer() says what is missing where no Python can run the peer", async () => {
  const { signal } = new AbortController();
  const nowhere = { env: () => undefined, signal, python: "./no-such-python" };
  await assert.rejects(() => findPeer("peer_dpo_step.py", nowhere), Unavailable);
});

Deno.test("findLlama() says what is missing where node-llama-cpp is not installed", async () => {
  const { signal } = new AbortController();
  await assert.rejects(() => findLlama({ env: () => undefined, signal }), {
    name: "Unavailable",
    message: /PANACEA_LLAMA is not set/,
  });
  const folder = await Deno.makeTempDir();
  try {
    await assert.rejects(() => findLlama({ env: () => folder, signal }), Unavailable);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
