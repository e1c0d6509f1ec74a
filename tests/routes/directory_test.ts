import assert from "node:assert/strict";
import { createDirectory } from "../../routes/directory.ts";
import { memoryService } from "./memory_service.ts";
import { until } from "./until.ts";

function counted() {
  const service = memoryService();
  const asked = { adapters: 0, models: 0 };
  return {
    service,
    asked,
    counting: {
      listAdapters: () => (asked.adapters++, service.listAdapters()),
      listModels: () => (asked.models++, service.listModels()),
    },
  };
}

Deno.test("what is known is answered without asking; what is not found is asked for once more", async () => {
  const { counting, asked } = counted();
  const directory = createDirectory(counting);
  assert.equal((await directory.adapter("tiny")).id, "tiny");
  assert.equal((await directory.adapter("three")).id, "three");
  assert.equal(asked.adapters, 1);
  await assert.rejects(directory.adapter("none"), { name: "NotFoundError" });
  assert.equal(asked.adapters, 2);
  const found = await directory.find((models) => models.find(({ name }) => name === "bare"));
  assert.equal(found?.name, "bare");
  assert.equal(await directory.find(() => undefined), undefined);
  assert.equal(asked.models, 2);
});

Deno.test("a list that is old is renewed while it is used", async () => {
  const { counting, asked, service } = counted();
  const directory = createDirectory(counting, { maxAgeMs: 0 });
  await directory.adapter("tiny");
  await service.deleteAdapter("tiny");
  await directory.adapter("tiny"); // the old list; the new one is on its way
  await until(() => asked.adapters === 2, 1000);
  await assert.rejects(directory.adapter("tiny"), { name: "NotFoundError" });
});

Deno.test("after a change nothing old is answered", async () => {
  const { counting, service } = counted();
  const directory = createDirectory(counting);
  await directory.adapter("tiny");
  await service.deleteAdapter("tiny");
  directory.forget();
  await assert.rejects(directory.adapter("tiny"), { name: "NotFoundError" });
});
