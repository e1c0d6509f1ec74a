// PPO gives the decoder its policy anew before every rollout: that must cost nothing in the long run.
import assert from "node:assert/strict";
import type { Left } from "./loads_child.ts";

Deno.test({
  name: "200 loads of a changing adapter leave one adapter, no open handle and no memory",
  ignore: Deno.build.os !== "linux", // counted in /proc
  async fn() {
    const child = new URL("./loads_child.ts", import.meta.url).href;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "-A", "--v8-flags=--expose-gc", child],
      stdin: "null",
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    const found: Left[] = JSON.parse(new TextDecoder().decode(stdout));
    assert.deepEqual(found.map(({ loads }) => loads), [50, 100, 150, 200]);
    const [early, last] = [found[0], found.at(-1)];
    assert(early && last && last.adapterBytes > 3e6);
    for (const { loads, adapters, handles } of found) {
      assert(adapters <= 1, `${adapters} after ${loads} loads`); // at most the one in hand
      assert.equal(handles, early.handles, `after ${loads} loads`);
    }
    // Heaps grow and shrink by some 100 MB as they please; keeping what was loaded takes 570.
    const kept = (last.loads - early.loads) * last.adapterBytes;
    const grown = last.rss - early.rss;
    assert(grown < kept / 2, `grew by ${grown} bytes; ${kept} were loaded`);
  },
});
