import assert from "node:assert/strict";
import { InputError } from "../../core/errors.ts";
import { compareTimings, timingsOf } from "./compare.ts";
import { measureRows, selectRows, turns } from "./measure.ts";
import { parseJsonLines } from "./own.ts";
import { type Contestant, type Experiment, type Row, Unavailable } from "./row.ts";
import { rows } from "./rows.ts";

/** A process that prints its folder's name and a figure. */
function telling(figure: number): Contestant {
  return {
    plan: (folder) => ({
      program: Deno.execPath(),
      args: ["eval", `console.log(${JSON.stringify(folder)})`],
    }),
    async figures({ output }, folder) {
      assert.equal(output.trim(), folder);
      assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
      return { total: figure };
    },
  };
}

function row(name: string, experiment: Experiment, onRequest = false): Row {
  const timings = (rounds: Parameters<Row["report"]>[0]) => ({
    ours: timingsOf(rounds, "ours", "total"),
    peer: timingsOf(rounds, "peer", "total"),
  });
  const report: Row["report"] = (rounds) => compareTimings(name, timings(rounds));
  return { name, description: name, experiment, onRequest, report };
}

const pair: Experiment = {
  contestants: () => Promise.resolve({ ours: telling(2), peer: telling(5) }),
};
const missing: Experiment = { contestants: () => Promise.reject(new Unavailable("no Python")) };
const broken: Experiment = {
  contestants: () =>
    Promise.resolve({
      ours: { ...telling(1), figures: () => Promise.reject(new Error("said nothing")) },
    }),
};
const options = {
  env: () => undefined,
  signal: new AbortController().signal,
  repeats: 2,
};

Deno.test("measureRows() runs an experiment once for all rows that read it, by turns", async () => {
  const told: string[] = [];
  const { rows, failures } = await measureRows([row("first", pair), row("second", pair)], {
    ...options,
    onProgress: (message) => told.push(message),
  });
  assert.deepEqual(failures, []);
  assert.deepEqual(rows.map(({ name, ratio, spread }) => ({ name, ratio, spread })), [
    { name: "first", ratio: 2.5, spread: 0 }, // 5 / 2
    { name: "second", ratio: 2.5, spread: 0 },
  ]);
  assert.deepEqual(told.slice(1), [
    "first, second, round 1 of 2, ours: total 2",
    "first, second, round 1 of 2, peer: total 5",
    "first, second, round 2 of 2, peer: total 5",
    "first, second, round 2 of 2, ours: total 2",
  ]);
});

Deno.test("measureRows() skips what is not possible here, and measures the rest", async () => {
  const told: string[] = [];
  const table = [row("absent", missing), row("broken", broken), row("present", pair)];
  const { rows, failures } = await measureRows(table, {
    ...options,
    repeats: 1,
    onProgress: (message) => told.push(message),
  });
  assert.deepEqual(rows.map(({ name }) => name), ["present"]);
  assert.equal(told[1], "Skipping absent: no Python");
  assert.deepEqual(failures, ["Cannot measure broken: said nothing"]);
});

Deno.test("measureRows() ends with the signal's reason", async () => {
  const signal = AbortSignal.abort(new Error("stopped"));
  await assert.rejects(
    () => measureRows([row("first", pair)], { ...options, signal, onProgress: () => {} }),
    { message: "stopped" },
  );
});

Deno.test("selectRows() leaves rows on request out unless they are named", () => {
  const table = [row("quick", pair), row("long", pair, true)];
  const names = (wanted?: string[]) => selectRows(table, wanted).map(({ name }) => name);
  assert.deepEqual(names(), ["quick"]);
  assert.deepEqual(names(["long", "quick"]), ["quick", "long"]);
  assert.throws(() => names(["lnog"]), InputError);
});

Deno.test("turns() goes through every other round backwards", () => {
  assert.deepEqual(turns(["a", "b", "c"], 0), ["a", "b", "c"]);
  assert.deepEqual(turns(["a", "b", "c"], 1), ["c", "b", "a"]);
});

Deno.test("parseJsonLines() reads one record a line and refuses other text", () => {
  assert.deepEqual(parseJsonLines('{"total":2}\n{"total":3}\n'), [{ total: 2 }, { total: 3 }]);
  assert.throws(() => parseJsonLines("hello\n"), SyntaxError);
});

Deno.test("the table of rows has distinct names that a shell takes as they are", () => {
  const names = rows.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.match(name, /^[a-z0-9_]+$/);
});
