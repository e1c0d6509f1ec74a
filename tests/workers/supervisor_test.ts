import assert from "node:assert/strict";
import { join } from "node:path";
import { BusyError } from "../../core/errors.ts";
import type { FrontReport } from "../../core/front/report.ts";
import type { Job } from "../../data/store/job.ts";
import { BuiltinModel } from "../../data/builtin/mod.ts";
import { checkpointSteps } from "../../data/store/checkpoints.ts";
import type { AdapterDetails } from "../../workers/service.ts";
import { fakeHub } from "../data/fake_hub.ts";
import { temporaryFolder } from "../data/store/fixtures.ts";
import { ask, finished, post, serve, smallRun, watch } from "./serving.ts";

// An open library stays with its process.
const options = { sanitizeResources: false };

Deno.test(
  "a run started over HTTP becomes an adapter whose front is in the store",
  options,
  async () => {
    await using folder = await temporaryFolder();
    await using serving = await serve(folder.path);
    const { url } = serving;
    const job = await post<Job>(`${url}/runs`, smallRun("first"));
    assert.equal(job.kind, "train");
    assert.equal(job.request.max_steps, 3);
    const events = await watch(url, job.id);
    assert.deepEqual(events.map(({ seq }) => seq), events.map((_, i) => i + 1));
    const steps = events.flatMap(({ event }) => event.type === "step" ? [event.step] : []);
    assert.deepEqual(steps, [1, 2, 3]);
    assert.equal((await ask<Job>(`${url}/runs/${job.id}`)).state, "done");

    const adapter = await ask<AdapterDetails>(`${url}/adapters/first`);
    assert.equal(adapter.finished, true);
    assert.equal(adapter.metrics.length, 3);
    const front = `${url}/front?adapter=first&bootstrap=10`;
    const stored = await ask<FrontReport>(`${front}&grid=3`);
    assert.equal(stored.points.length, 3);

    // Another grid is measured by a job, once; then it lies in the store too.
    const [one, other] = await Promise.all([
      fetch(`${front}&grid=5`),
      fetch(`${front}&grid=5`),
    ]);
    assert.deepEqual([one.status, other.status], [202, 202]);
    const jobs: Job[] = [await one.json(), await other.json()];
    assert.equal(jobs[0]?.id, jobs[1]?.id);
    assert.equal((await finished(url, jobs[0]?.id ?? "")).state, "done");
    assert.equal((await ask<FrontReport>(`${front}&grid=5`)).points.length, 5);
    assert.equal((await ask<FrontReport>(`${front}&grid=3`)).points.length, 3);

    await assert.rejects(post(`${url}/runs`, smallRun("first")), /^Error: 409 /);
    const { ok } = await fetch(`${url}/adapters/first`, { method: "DELETE" });
    assert.ok(ok);
    await assert.rejects(ask(`${url}/adapters/first`), /^Error: 404 /);
  },
);

Deno.test(
  "a cancelled run has saved its steps, and goes on from there when it is resumed",
  options,
  async () => {
    await using folder = await temporaryFolder();
    await using serving = await serve(folder.path);
    const { url } = serving;
    const { id } = await post<Job>(`${url}/runs`, smallRun("a", { max_steps: 40 }));
    await watch(url, id, ({ event }) => event.type === "step" && event.step >= 2);
    await assert.rejects(
      ask(`${url}/adapters/a`, { method: "DELETE" }),
      /^Error: 409 .*expected no job to use it/,
    );
    await post(`${url}/runs/${id}/cancel`);
    assert.equal((await finished(url, id)).state, "cancelled");
    const [saved = 0] = await checkpointSteps(join(folder.path, "a"));
    assert.ok(saved >= 2 && saved < 40, `saved step ${saved}`);

    await post(`${url}/runs/${id}/resume`);
    const events = await watch(url, id);
    const steps = events.flatMap(({ event }) => event.type === "step" ? [event.step] : []);
    assert.deepEqual(steps, Array.from({ length: 40 }, (_, i) => i + 1));
    assert.equal((await ask<Job>(`${url}/runs/${id}`)).state, "done");
  },
);

Deno.test(
  "a server that ends puts its run back, and the next one on that folder goes on",
  options,
  async () => {
    await using folder = await temporaryFolder();
    let id: string;
    let waiting: string;
    {
      await using serving = await serve(folder.path);
      const { url } = serving;
      ({ id } = await post<Job>(`${url}/runs`, smallRun("a", { max_steps: 30 })));
      ({ id: waiting } = await post<Job>(`${url}/runs`, smallRun("b")));
      await watch(url, id, ({ event }) => event.type === "step" && event.step >= 2);
      const opened = Promise.withResolvers<void>();
      const watched = watch(url, id, () => {
        opened.resolve();
        return false;
      });
      await opened.promise;
      await serving.drain();
      const last = (await watched).at(-1);
      assert.ok(last === undefined || last.event.type !== "state" || last.event.state !== "done");
    }
    await using serving = await serve(folder.path);
    const { url } = serving;
    for (const each of [id, waiting]) {
      assert.equal((await finished(url, each)).state, "done");
    }
    const events = await watch(url, id);
    const steps = events.flatMap(({ event }) => event.type === "step" ? [event.step] : []);
    assert.deepEqual(steps, Array.from({ length: 30 }, (_, i) => i + 1));
    const states = events.flatMap(({ event }) => event.type === "state" ? [event.state] : []);
    assert.deepEqual(states, ["queued", "running", "queued", "running", "done"]);
  },
);

Deno.test("two servers do not share a runs folder", options, async () => {
  await using folder = await temporaryFolder();
  await using _serving = await serve(folder.path);
  await assert.rejects(serve(folder.path), (error) => {
    assert.ok(error instanceof BusyError);
    assert.match(error.message, new RegExp(`held by process ${Deno.pid} `));
    return true;
  });
});

Deno.test(
  "an address in use is refused in one sentence, and the folder is free again",
  options,
  async () => {
    await using folder = await temporaryFolder();
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    await assert.rejects(serve(folder.path, { port }), {
      name: "InputError",
      message: new RegExp(`^Cannot listen on 127.0.0.1:${port}: [^\\n]+$`),
    });
    await using serving = await serve(folder.path);
    assert.deepEqual(await ask(`${serving.url}/health`), { status: "ok" });
  },
);

Deno.test(
  "what a run names outside of the files folder is refused before a job exists",
  options,
  async () => {
    await using folder = await temporaryFolder();
    await using serving = await serve(folder.path);
    const wrong = [
      { model_name_or_path: "/etc", dataset: "builtin" },
      { model_name_or_path: "builtin", dataset: "helpful=/etc/passwd" },
      { model_name_or_path: "../x", dataset: "builtin" },
      { preset: "none" },
    ];
    for (const settings of wrong) {
      await assert.rejects(post(`${serving.url}/runs`, { name: "a", ...settings }), /^Error: 400 /);
    }
    assert.deepEqual(await ask(`${serving.url}/runs`), []);
  },
);

Deno.test(
  "a run takes model and data out of the files folder, also through a linked folder",
  options,
  async () => {
    await using folder = await temporaryFolder();
    const files = join(folder.path, "files");
    await Deno.mkdir(join(files, "models/world"), { recursive: true });
    for await (const { name } of Deno.readDir(BuiltinModel.folder)) {
      await Deno.copyFile(join(BuiltinModel.folder, name), join(files, "models/world", name));
    }
    const rows = Array.from({ length: 20 }, (_, i) => ({
      prompt: `How do I make ${i} loaves ?`,
      response_0: "Just bake it .",
      response_1: "I cannot help .",
      helpful: 0,
      harmless: 1,
    }));
    const text = rows.map((row) => JSON.stringify(row) + "\n").join("");
    await Deno.writeTextFile(join(files, "pairs.jsonl"), text);
    await Deno.writeTextFile(join(files, "README.md"), "---\nlicense: mit\n---\n# Pairs\n");
    await Deno.symlink(files, join(folder.path, "linked"));
    await using serving = await serve(join(folder.path, "runs"), {
      files: join(folder.path, "linked"),
    });
    const { url } = serving;
    const settings = {
      model_name_or_path: "models/world",
      dataset: "pairs.jsonl",
      dtype: "float32" as const,
    };
    const { id } = await post<Job>(`${url}/runs`, smallRun("own", settings));
    const job = await finished(url, id);
    assert.equal(job.error, null);
    assert.equal(job.state, "done");
    assert.equal(job.request.model_name_or_path, "models/world");
    const adapter = await ask<AdapterDetails>(`${url}/adapters/own`);
    assert.equal(adapter.base, "world");
    assert.doesNotMatch(JSON.stringify(adapter), new RegExp(folder.path));
    const card = await Deno.readTextFile(join(folder.path, "runs", "own", "README.md"));
    assert.match(card, /^license: "mit"$/m);
    const front = await ask<FrontReport>(`${url}/front?adapter=own&grid=3&bootstrap=10`);
    assert.equal(front.metric, "implicit_accuracy");
  },
);

Deno.test("a run's data come from the hub through the Worker that downloads", options, async () => {
  await using folder = await temporaryFolder();
  const rows = Array.from({ length: 20 }, (_, i) => ({
    question: `How do I make ${i} loaves ?`,
    good: "Just bake it .",
    bad: "I cannot help .",
  }));
  const text = rows.map((row) => JSON.stringify(row) + "\n").join("");
  const files = new Map([["helpful/train.jsonl", new TextEncoder().encode(text)]]);
  await using hub = await fakeHub({ files, kind: "datasets" });
  const variables: Record<string, string | undefined> = {
    HF_ENDPOINT: hub.options.endpoint,
    HF_HUB_CACHE: join(folder.path, "hub"),
  };
  const env = (name: string) => variables[name] ?? Deno.env.get(name);
  await using serving = await serve(join(folder.path, "runs"), {}, env);
  const { url } = serving;
  const settings = {
    dataset: "helpful=owner/tiny/helpful",
    columns: "prompt=question,chosen=good,rejected=bad",
    model_name_or_path: "builtin",
  };
  const { id } = await post<Job>(`${url}/runs`, smallRun("own", settings));
  const job = await finished(url, id);
  assert.deepEqual([job.state, job.error], ["done", null]);
  assert.equal(job.request.dataset, settings.dataset);
  assert.ok(hub.requests.some((path) => path.endsWith("/helpful/train.jsonl")));
  const adapter = await ask<AdapterDetails>(`${url}/adapters/own`);
  assert.deepEqual(adapter.dimensions, ["helpful"]);
  assert.equal(adapter.run?.dataset, "helpful=owner/tiny/helpful");
  assert.doesNotMatch(JSON.stringify(adapter), new RegExp(folder.path));
});
