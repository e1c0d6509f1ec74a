import assert from "node:assert/strict";
import { appOf } from "./app_of.ts";
import { memoryService } from "./memory_service.ts";

Deno.test("adapters are listed, shown without folders, and deleted", async () => {
  const { app } = appOf();
  const list = await (await app.request("/adapters")).json();
  assert.deepEqual(list.map(({ id }: { id: string }) => id).sort(), ["0", "three", "tiny"]);
  const text = await (await app.request("/adapters/tiny")).text();
  assert.doesNotMatch(text, /\/data/);
  assert.match(JSON.parse(text).card, /Made from model\.safetensors/);
  assert.equal(JSON.parse(text).config.base_model, "world");

  assert.equal((await app.request("/chat?adapter=tiny&message=hi")).status, 200);
  assert.equal((await app.request("/adapters/tiny", { method: "DELETE" })).status, 204);
  assert.equal((await app.request("/adapters/tiny")).status, 404);
  assert.equal((await app.request("/adapters/tiny", { method: "DELETE" })).status, 404);
  assert.equal((await app.request("/chat?adapter=tiny&message=hi")).status, 404);
});

Deno.test("a name that is no plain name is refused before anybody looks for it", async () => {
  const service = memoryService();
  const asked: string[] = [];
  const { app } = appOf({
    service: {
      ...service,
      getAdapter: (id) => {
        asked.push(id);
        return service.getAdapter(id);
      },
    },
  });
  for (const name of ["..%2Fup", "%2e%2e", ".hidden", "a%00", "a%2Fb", "a%5Cb", "x".repeat(101)]) {
    const { status } = await app.request(`/adapters/${name}`);
    assert.ok(status === 400 || status === 404, `${status} for ${name}`);
  }
  // The dots of %2e%2e are taken out of the path by its parser: what is left is /adapters/.
  assert.deepEqual(asked, []);
});

Deno.test("models say what was trained on them", async () => {
  const { app } = appOf();
  const [world] = await (await app.request("/models")).json();
  assert.equal(world.name, "world");
  assert.ok(world.adapters.includes("tiny"));
});
