import assert from "node:assert/strict";
import {
  describeError,
  exitCodeHelp,
  exitCodeOf,
  Interruption,
  signalCodes,
} from "../../commands/outcome.ts";
import {
  BusyError,
  CorruptFileError,
  DivergedError,
  InputError,
  ShardError,
  StorageError,
} from "../../core/errors.ts";

const cases: [Error, number][] = [
  [new TypeError("Cannot add: expected a number, got text"), 1],
  [new InputError("Cannot use --beta: expected a number, got text"), 2],
  [new BusyError("Cannot open runs/a: expected it free, got pid 7"), 3],
  [new CorruptFileError("Cannot read a.safetensors: expected 8 bytes, got 4"), 4],
  [new DivergedError("Cannot go on at step 3: expected a finite loss, got NaN"), 5],
  [new StorageError("Cannot write a: expected 8 bytes free, got 0"), 6],
  [new ShardError("Cannot go on training: expected shard 2 of 4, got its end"), 7],
  [new Interruption("SIGINT"), 130],
  [new Interruption("SIGTERM"), 143],
];

Deno.test("exitCodeOf() gives every class of error its documented code", () => {
  for (const [error, code] of cases) {
    assert.equal(exitCodeOf(error), code, error.name);
    assert.match(exitCodeHelp, new RegExp(`^ +${code} `, "m"));
  }
  assert.equal(exitCodeOf("thrown text"), 1);
  assert.deepEqual(signalCodes, { SIGINT: 130, SIGTERM: 143 });
});

Deno.test("describeError() is one line without --debug and has the stack with it", () => {
  for (const [error, code] of cases) {
    const line = describeError(error);
    assert.equal(line.includes("\n"), false);
    assert.equal(
      line,
      code === 1 ? `${error.message} (--debug shows where this comes from)` : error.message,
    );
    assert.match(describeError(error, { debug: true }), /\n +at /);
  }
  assert.equal(describeError("thrown text"), "thrown text");
  assert.match(describeError(new Error("")), /^Error \(--debug/);
});

Deno.test("describeError() with --debug shows the cause", () => {
  const error = new InputError("Cannot read", { cause: new Error("the disk is gone") });
  assert.match(describeError(error, { debug: true }), /the disk is gone/);
});
