import assert from "node:assert/strict";
import { peakOfStatus, reasonIn, runProcess } from "./process.ts";

const { signal } = new AbortController();
const deno = (code: string) => ({ program: Deno.execPath(), args: ["eval", code] });

Deno.test("peakOfStatus() reads the high-water mark in bytes", () => {
  assert.equal(peakOfStatus("VmPeak:\t  900 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 12 kB\n"), 2 ** 21);
  assert.equal(peakOfStatus("Name:\tzombie\n"), null);
});

Deno.test("reasonIn() finds the line that says why", () => {
  const denoError =
    "note\nerror: Uncaught Error: no room\n    throw new Error()\n    at file.ts:1:1\n";
  assert.equal(reasonIn(denoError), "error: Uncaught Error: no room");
  assert.equal(reasonIn("Traceback\n  File x\nMemoryError\n"), "MemoryError");
  assert.equal(reasonIn("Cannot train: no data\n"), "Cannot train: no data");
  assert.equal(reasonIn("\n"), "it said nothing");
});

Deno.test("runProcess() gives output, and on Linux the memory that the process held", async () => {
  const code = "const held = new Uint8Array(2 ** 26).fill(1); console.log(held.length)";
  const finished = await runProcess(
    deno(`${code}; await new Promise((resolve) => setTimeout(resolve, 300))`),
    signal,
  );
  assert.equal(finished.output, `${2 ** 26}\n`);
  if (Deno.build.os === "linux") assert.ok((finished.peakBytes ?? 0) > 2 ** 26);
  else assert.equal(finished.peakBytes, null);
});

Deno.test("runProcess() throws what a failed process said, with its exit code", async () => {
  await assert.rejects(
    () => runProcess(deno("console.error('Cannot go: error 7'); Deno.exit(3)"), signal),
    { message: /ended with code 3: Cannot go: error 7$/ },
  );
});

Deno.test("runProcess() ends the process and throws the reason when the signal aborts", async () => {
  const controller = new AbortController();
  const waiting = runProcess(
    deno("await new Promise(() => setInterval(() => {}, 1000))"),
    controller.signal,
  );
  controller.abort(new Error("enough"));
  await assert.rejects(waiting, { message: "enough" });
});
