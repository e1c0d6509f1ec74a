// Stored configurations back to adapters: every kind of the tables, and what cannot be one.
import assert from "node:assert/strict";
import { compositeAdapters, storedAdapters } from "../../core/adapters/mod.ts";
import { InputError } from "../../core/errors.ts";
import { frontName } from "../../data/store/front_settings.ts";
import { AdapterConfig } from "../../data/store/run_folder.ts";
import { composeSettings } from "../../workers/front_settings.ts";
import { checkBase, restoreAdapter } from "../../workers/stored_adapter.ts";
import { adapterConfig } from "../data/store/fixtures.ts";

const members = [[1, 0], [0, 1]];

function stored(changes: Partial<AdapterConfig>): AdapterConfig {
  return AdapterConfig.parse({ ...adapterConfig(1), ...changes });
}

for (const kind of Object.keys(storedAdapters)) {
  Deno.test(`restoreAdapter() knows ${kind}`, () => {
    const isComposite = kind in compositeAdapters;
    const adapter = restoreAdapter(stored({ adapter: kind, ...isComposite && { members } }));
    assert.equal(adapter.rowFactors([0.3, 0.7]).length, adapter.width);
    assert.ok(adapter.parameterNames.length > 0);
  });
}

Deno.test("restoreAdapter() refuses kinds that are not there and members that do not fit", () => {
  const refused = [
    { adapter: "dora" },
    { adapter: "toString" },
    { adapter: "rewarded_soups" },
    { adapter: "discrete_policies" },
    { adapter: "rewarded_soups", members: [[0, 1], [1, 0]] },
    { adapter: "discrete_policies", members: [[0.2, 0.3, 0.5]] },
  ];
  for (const changes of refused) {
    assert.throws(() => restoreAdapter(stored(changes)), InputError, JSON.stringify(changes));
  }
  assert.throws(() => stored({ members: [[1, 2]] }));
  assert.throws(() => stored({ members: [] }));
});

Deno.test("fronts of composites with the same tensors are told apart by kind and members", () => {
  const nameOf = (changes: Partial<AdapterConfig>) =>
    frontName(composeSettings({ grid: 3, bootstrap: 0, seed: 1 }, {
      config: stored(changes),
      parametersHash: "p",
      run: null,
      data: { dataset: "builtin", heldOut: false, fingerprint: "f" },
    }));
  const names = [
    nameOf({}),
    nameOf({ adapter: "rewarded_soups", members }),
    nameOf({ adapter: "discrete_policies", members }),
    nameOf({ adapter: "discrete_policies", members: [[1, 0], [0.5, 0.5]] }),
  ];
  assert.equal(new Set(names).size, 4);
});

Deno.test("checkBase() names the template where only that differs; adapters without its hash load", () => {
  const base = (templateHash: string | null, fingerprint = "both") => ({
    fingerprint: "weights",
    tokenizer: { fingerprint, templateHash },
  });
  const config = { base_fingerprint: "weights", template_fingerprint: "both" };
  checkBase(config, base("one"), "a");
  checkBase({ ...config, chat_template_hash: "one" }, base("one"), "a");
  for (const [found, told] of [["two", "another (two…)"], [null, "none"]] as const) {
    assert.throws(
      () => checkBase({ ...config, chat_template_hash: "one" }, base(found, "other"), "a"),
      {
        name: "InputError",
        message: "Cannot use adapter a: expected the chat template it was trained on " +
          `(sha256 one…), got ${told}`,
      },
    );
  }
  assert.throws(() => checkBase(config, base("two", "other"), "a"), {
    message: /expected the tokenizer and chat template it was trained on/,
  });
  assert.deepEqual(stored({}).chat_template_hash, undefined);
});
