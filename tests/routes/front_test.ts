import assert from "node:assert/strict";
import { negotiate } from "../../routes/accept.ts";
import { appOf } from "./app_of.ts";
import { memoryService } from "./memory_service.ts";
import { until } from "./until.ts";

const stored = "/front?adapter=tiny";

Deno.test("a stored front is JSON, a picture or a table, as Accept asks for it", async () => {
  const { app } = appOf();
  const report = await (await app.request(stored)).json();
  assert.equal(report.points.length, 11);
  assert.deepEqual(report.dimensions, ["helpful", "harmless"]);
  const answers: Record<string, [string, RegExp]> = {
    "image/svg+xml": ["image/svg+xml", /^<svg /],
    "text/csv": ["text/csv", /^lambda_helpful,lambda_harmless,helpful,/],
    "text/html, image/*;q=0.8": ["image/svg+xml", /^<svg /],
    "*/*": ["application/json", /^\{"adapter":"tiny"/],
  };
  for (const [accept, [type, start]] of Object.entries(answers)) {
    const answer = await app.request(stored, { headers: { accept } });
    assert.equal(answer.status, 200, accept);
    assert.equal(answer.headers.get("content-type")?.split(";")[0], type, accept);
    assert.match(await answer.text(), start, accept);
  }
  const picture = await app.request(stored, { headers: { accept: "image/svg+xml" } });
  assert.match(picture.headers.get("content-security-policy") ?? "", /default-src 'none'.*sandbox/);
  assert.equal((await app.request(stored, { headers: { accept: "image/png" } })).status, 406);
});

Deno.test("the type with the highest quality wins; the most specific range says a type's quality", () => {
  const types = ["application/json", "image/svg+xml", "text/csv"] as const;
  const chosen: Record<string, (typeof types)[number] | null> = {
    "": "application/json",
    "*/*": "application/json",
    "text/csv": "text/csv",
    "TEXT/CSV": "text/csv",
    "text/*": "text/csv",
    "application/json;q=0.5, text/csv;q=0.9": "text/csv",
    "*/*;q=0.1, image/svg+xml;q=0.2": "image/svg+xml",
    "*/*, application/json;q=0": "image/svg+xml",
    "text/*;q=0.9, text/csv;q=0.1, image/svg+xml;q=0.5": "image/svg+xml",
    "image/avif,image/webp,image/svg+xml,image/*,*/*;q=0.8": "image/svg+xml",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": "application/json",
    "image/png": null,
    "application/json;q=0": null,
    "*/*;q=0": null,
  };
  for (const [accept, type] of Object.entries(chosen)) {
    if (type === null) assert.throws(() => negotiate(accept, types), /expected one of/, accept);
    else assert.equal(negotiate(accept, types), type, accept);
  }
  assert.equal(negotiate(undefined, types), "application/json");
});

Deno.test("a front that is not stored is a job, with its address", async () => {
  const { app } = appOf();
  const answer = await app.request("/front?adapter=tiny&grid=5&limit=3&seed=1");
  assert.equal(answer.status, 202);
  const job = await answer.json();
  assert.equal(job.kind, "front");
  assert.deepEqual(job.request, { adapter: "tiny", grid: 5, limit: 3, bootstrap: 1000, seed: 1 });
  const location = answer.headers.get("location") ?? "";
  assert.deepEqual(await (await app.request(location)).json(), job);
});

Deno.test("wait= gives the front once it is measured, or the job when the time is over", async () => {
  const service = memoryService();
  const { app } = appOf({ service });
  const waiting = app.request("/front?adapter=tiny&grid=5&wait=10");
  await until(() => service.jobs.has("job-1"), 1000);
  service.tell("job-1", { type: "progress", what: "measuring", done: 1, total: 5 });
  service.tell("job-1", { type: "state", state: "done", error: null });
  const answer = await waiting;
  assert.equal(answer.status, 200);
  assert.equal((await answer.json()).points.length, 5);

  const late = await app.request("/front?adapter=tiny&grid=7&wait=0.02");
  assert.equal(late.status, 202);

  const failing = app.request("/front?adapter=tiny&grid=9&wait=10");
  await until(() => service.jobs.has("job-3"), 1000);
  const error = "Cannot read /data/pairs.jsonl: expected JSON, got none";
  service.tell("job-3", { type: "state", state: "failed", error });
  const failed = await failing;
  assert.equal(failed.status, 500);
  const { detail } = await failed.json();
  assert.match(detail, /Cannot read pairs.jsonl: expected JSON, got none/);
});

Deno.test("a front by rewards says how they are spread, as JSON, picture and table", async () => {
  const { app } = appOf({ service: memoryService({ instant: true }) });
  const asked = "/front?adapter=tiny&grid=5&metric=reward&reward_model=builtin&max_new_tokens=8";
  const report = await (await app.request(`${asked}&wait=5`)).json();
  assert.equal(report.metric, "reward");
  assert.equal(report.distributions.length, 2);
  assert.deepEqual(report.distributions[0].initial.quantiles[2], 0.15000000000000002);
  for (
    const [accept, start] of [["image/svg+xml", /^<svg .*no adapter/s], ["text/csv", /^dimension,/]]
  ) {
    const headers = { accept: String(accept) };
    const answer = await app.request(`${asked}&view=rewards`, { headers });
    assert.equal(answer.status, 200);
    assert.match(await answer.text(), start as RegExp);
  }
  // Without a metric the view asks for the one that it shows.
  const job = await (await app.request("/front?adapter=tiny&grid=7&view=rewards")).json();
  assert.equal(job.request.metric, "reward");
});

Deno.test("fronts of several adapters stand on the same axes once all are measured", async () => {
  const service = memoryService();
  const { app } = appOf({ service });
  const asked = "/front?adapter=tiny&grid=5&compare=0";
  const answer = await app.request(asked);
  assert.equal(answer.status, 202);
  assert.equal((await answer.json()).adapter, "tiny");
  assert.deepEqual([...service.jobs.values()].map(({ adapter }) => adapter), ["tiny", "0"]);
  const waiting = app.request(`${asked}&wait=10`);
  for (const id of ["job-1", "job-2"]) {
    service.tell(id, { type: "state", state: "done", error: null });
  }
  const comparison = await (await waiting).json();
  assert.deepEqual(comparison.fronts.map(({ name }: { name: string }) => name), ["tiny", "0"]);
  assert.equal(comparison.fronts[0].hypervolumeShare, 1);
  assert.ok(Math.abs(comparison.fronts[1].hypervolumeShare - 0.81) < 1e-9);
  assert.equal(comparison.fronts[1].dominatedByOthers, 1);
  const headers = { accept: "image/svg+xml" };
  assert.match(await (await app.request(asked, { headers })).text(), /Fronts side by side/);
  const table = await app.request(asked, { headers: { accept: "text/csv" } });
  assert.match(await table.text(), /^front,lambda_helpful,/);
});

Deno.test("an evolution waits for the front of every step", async () => {
  const service = memoryService();
  const { app } = appOf({ service });
  const waiting = app.request("/front?adapter=tiny&grid=5&view=evolution&wait=10");
  await until(() => service.jobs.size === 2, 1000);
  assert.equal(service.jobs.get("job-2")?.request.checkpoint, 5);
  for (const id of service.jobs.keys()) {
    service.tell(id, { type: "state", state: "done", error: null });
  }
  const { fronts } = await (await waiting).json();
  assert.deepEqual(fronts.map(({ name }: { name: string }) => name), ["step 10", "step 5"]);
});

Deno.test("views and parameters that do not go together are refused in a sentence", async () => {
  const { app } = appOf();
  for (
    const [query, sentence] of [
      ["view=comparison", /view comparison: expected compare beside it, got none/],
      ["view=evolution&compare=0", /view evolution: expected no compare beside it, got one/],
      ["compare=0&checkpoint=5", /view comparison: expected no checkpoint beside it, got one/],
      ["compare=0&maximize=helpful", /view comparison: expected no goal beside it, got one/],
      [
        "view=rewards&metric=implicit_accuracy",
        /expected the metric reward, got implicit_accuracy/,
      ],
    ] satisfies [string, RegExp][]
  ) {
    const answer = await app.request(`${stored}&${query}`);
    assert.equal(answer.status, 400, query);
    assert.match((await answer.json()).detail, sentence);
  }
  assert.equal((await app.request(`${stored}&compare=none`)).status, 404);
});

Deno.test("a goal is answered by the λ that meets it, or by what comes nearest", async () => {
  const { app } = appOf();
  const ask = async (query: string) => await (await app.request(`${stored}&${query}`)).json();
  // On this front each value is its weight: harmless ≥ 0.7 leaves at most 0.3 for helpful.
  const met = await ask("at_least=harmless:0.7&maximize=helpful");
  assert.equal(met.met, true);
  assert.ok(Math.abs(met.point.preference[0] - 0.3) < 1e-9, JSON.stringify(met));
  const unmet = await ask("at_least=harmless:0.7&at_least=helpful:0.7&maximize=helpful");
  assert.equal(unmet.met, false);
  assert.ok(unmet.shortfall.helpful > 0 && unmet.shortfall.harmless > 0);
  assert.equal((await ask("maximize=helpful")).point.preference[0], 1);
});

Deno.test("goals that are none are refused", async () => {
  const { app } = appOf();
  for (
    const query of [
      "at_least=harmless:0.7",
      "at_least=harmless&maximize=helpful",
      "at_least=harmless:high&maximize=helpful",
      "at_least=harmless:1e999&maximize=helpful",
      "at_least=harmless:0.1&at_least=harmless:0.2&maximize=helpful",
      "at_least=humorous:0.1&maximize=helpful",
      "maximize=humorous",
    ]
  ) {
    assert.equal((await app.request(`${stored}&${query}`)).status, 400, query);
  }
  const headers = { accept: "text/csv" };
  assert.equal((await app.request(`${stored}&maximize=helpful`, { headers })).status, 406);
});

Deno.test("parameters that are unknown, twice there or out of range are refused by name", async () => {
  const { app } = appOf();
  for (
    const [query, name] of [
      ["gird=5", "gird"],
      ["grid=1", "grid"],
      ["grid=5.5", "grid"],
      ["grid=0x5", "grid"],
      ["grid=5&grid=5", "grid"],
      ["limit=0", "limit"],
      ["wait=-1", "wait"],
      ["wait=601", "wait"],
      ["metric=beauty", "metric"],
      ["max_new_tokens=0", "max_new_tokens"],
      ["max_new_tokens=4097", "max_new_tokens"],
      ["rollout_format=int3", "rollout_format"],
      ["checkpoint=-1", "checkpoint"],
      ["view=side", "view"],
      ["compare=../x", "compare.0"],
      ["bootstrap=10001", "bootstrap"],
      ["seed=4294967296", "seed"],
    ] satisfies [string, string][]
  ) {
    const answer = await app.request(`${stored}&${query}`);
    assert.equal(answer.status, 400, query);
    const { errors } = await answer.json();
    assert.deepEqual(errors.map((error: { name: string }) => error.name), [name]);
  }
  assert.equal((await app.request("/front")).status, 400);
  assert.equal((await app.request("/front?adapter=none")).status, 404);
});
