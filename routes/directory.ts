// What the web process remembers of adapters and models, so that reading a λ or a model id costs no
// question to the supervisor on the way to the first token. An answer may be a second old: the chat
// worker checks again, and a name that is not found is asked for anew.
import { NotFoundError } from "../core/errors.ts";
import type { AdapterSummary, ModelSummary, Service } from "../workers/service.ts";

/** Adapters and models by name. */
export interface Directory {
  /** Throws NotFoundError. */
  adapter(id: string): Promise<AdapterSummary>;
  /** `found` is asked again, with a fresh list, where it gives undefined. */
  find<T>(found: (models: ModelSummary[]) => T | undefined): Promise<T | undefined>;
  /** Forgets everything, after a change. */
  forget(): void;
}

/** Remembers what `service` lists; a list older than `maxAgeMs` is renewed while it is used. */
export function createDirectory(
  service: Pick<Service, "listAdapters" | "listModels">,
  { maxAgeMs = 1000 }: { maxAgeMs?: number } = {},
): Directory {
  const adapters = remember(() => service.listAdapters(), maxAgeMs);
  const models = remember(() => service.listModels(), maxAgeMs);
  return {
    async adapter(id) {
      const named = (list: AdapterSummary[]) => list.find((adapter) => adapter.id === id);
      const adapter = named(await adapters.recent()) ?? named(await adapters.fresh());
      if (adapter !== undefined) return adapter;
      throw new NotFoundError(
        `Cannot use adapter: expected the name of a stored one, got ${JSON.stringify(id)}`,
      );
    },
    async find(found) {
      return found(await models.recent()) ?? found(await models.fresh());
    },
    forget() {
      adapters.forget();
      models.forget();
    },
  };
}

function remember<T>(ask: () => Promise<T>, maxAgeMs: number) {
  let value: T | undefined;
  let asked = -Infinity;
  let asking: Promise<T> | undefined;

  function fresh(): Promise<T> {
    return asking ??= renew().finally(() => asking = undefined);
  }
  async function renew(): Promise<T> {
    asked = performance.now();
    return value = await ask();
  }
  return {
    fresh,
    recent(): Promise<T> {
      if (value === undefined) return fresh();
      if (performance.now() - asked > maxAgeMs) fresh().catch(() => asked = -Infinity);
      return Promise.resolve(value);
    },
    forget() {
      value = undefined;
    },
  };
}
