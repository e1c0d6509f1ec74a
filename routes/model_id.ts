// Ids by which OpenAI's clients name a model: `base:adapter@0.7,0.3`, `base:adapter`, `adapter@…`,
// `adapter`, `base`. A base whose name an adapter has too is reached as `base:`.
import type { ModelSummary } from "../workers/service.ts";

/** What an id names; `preference` is what stands behind the @. */
export interface NamedModel {
  base: string;
  adapter: string | null;
  preference: string | undefined;
}

/** The model that `id` names, undefined where there is none. */
export function findModel(id: string, models: ModelSummary[]): NamedModel | undefined {
  const whole = findName(id, models);
  if (whole !== undefined) return { ...whole, preference: undefined };
  const at = id.lastIndexOf("@");
  const named = at < 0 ? undefined : findName(id.slice(0, at), models);
  if (named === undefined || named.adapter === null) return undefined;
  return { ...named, preference: id.slice(at + 1) };
}

/** One id for every base and every adapter. */
export function listModelIds(models: ModelSummary[]): string[] {
  const taken = new Set(models.flatMap(({ adapters }) => adapters));
  return models.flatMap(({ name, adapters }) => [
    taken.has(name) ? `${name}:` : name,
    ...adapters.map((adapter) => `${name}:${adapter}`),
  ]);
}

function findName(name: string, models: ModelSummary[]) {
  for (const { name: base, adapters } of models) {
    const adapter = adapters.find((id) => name === id || name === `${base}:${id}`);
    if (adapter !== undefined) return { base, adapter };
  }
  const model = models.find((one) => name === one.name || name === `${one.name}:`);
  return model && { base: model.name, adapter: null };
}
