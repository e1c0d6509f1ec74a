// What the page shows, as the part of the address after "#": a link reproduces the view, and the
// question in it never reaches a server's log. Read and written by state.ts.
import { type FrontChoice, MOST_BESIDE } from "./front/choice.ts";
import { formatPreference } from "./front/preference.ts";

/** How answers are drawn; what is left out has the page's default. */
export interface Sampling {
  seed: number;
  temperature: number;
  top_p: number;
  max_tokens: number | null; // null: what the server allows
}

/** Sampling where the address says nothing. */
export const defaultSampling: Sampling = { seed: 42, temperature: 0.7, top_p: 1, max_tokens: null };

/** One of the three views; `id` names a run ("new": the form) or an adapter. */
export type Place =
  | { view: "explore" }
  | { view: "runs"; id: string | null }
  | { view: "adapters"; id: string | null };

/** What the view "explore" shows. `preferences`: one λ per answer, one to four. */
export interface Exploration extends FrontChoice {
  adapter: string | null;
  preferences: number[][];
  question: string;
  sampling: Sampling;
}

export interface Address {
  place: Place;
  exploration: Exploration;
}

const MOST_PREFERENCES = 4;
const LONGEST_QUESTION = 8000; // characters; beyond it some browsers cut an address

/** Reads "#/…"; whatever cannot be read is left out. */
export function parseAddress(hash: string): Address {
  const [path = "", query = ""] = hash.replace(/^#?\/?/, "").split(/\?(.*)/s);
  const [view = "", id = ""] = path.split("/").map(decoded);
  const search = new URLSearchParams(query);
  return {
    place: view === "runs" || view === "adapters"
      ? { view, id: id === "" ? null : id }
      : { view: "explore" },
    exploration: {
      adapter: search.get("adapter") || null,
      preferences: search.getAll("preference").slice(0, MOST_PREFERENCES).map(readWeights).filter(
        (weights) => weights.length > 0,
      ),
      question: (search.get("question") ?? "").slice(0, LONGEST_QUESTION),
      sampling: {
        seed: readNumber(search.get("seed"), { low: 0, high: 2 ** 32 - 1, whole: true }) ??
          defaultSampling.seed,
        temperature: readNumber(search.get("temperature"), { low: 0, high: 2 }) ??
          defaultSampling.temperature,
        top_p: readNumber(search.get("top_p"), { low: 1e-6, high: 1 }) ?? defaultSampling.top_p,
        max_tokens: readNumber(search.get("max_tokens"), { low: 1, high: 1e6, whole: true }),
      },
      front: search.get("front") || null,
      beside: search.has("beside")
        ? search.getAll("beside").filter((name) => name !== "").slice(0, MOST_BESIDE)
        : null,
    },
  };
}

/** Writes "#/…", leaving out what has its default. */
export function formatAddress({ place, exploration }: Address): string {
  if (place.view !== "explore") {
    return `#/${place.view}${place.id === null ? "" : `/${encodeURIComponent(place.id)}`}`;
  }
  const { adapter, preferences, question, sampling, front, beside } = exploration;
  const search = new URLSearchParams();
  if (adapter !== null) search.set("adapter", adapter);
  for (const preference of preferences) search.append("preference", formatPreference(preference));
  if (question !== "") search.set("question", question.slice(0, LONGEST_QUESTION));
  for (const name of Object.keys(defaultSampling) as (keyof Sampling)[]) {
    if (sampling[name] !== defaultSampling[name]) search.set(name, String(sampling[name]));
  }
  if (front !== null) search.set("front", front);
  // Nothing beside, where something was before, is a choice too.
  for (const name of beside?.length === 0 ? [""] : beside ?? []) search.append("beside", name);
  // A comma may stand in a query as it is, and 0.7,0.3 reads better than 0.7%2C0.3.
  const query = search.toString().replaceAll("%2C", ",");
  return query === "" ? "#/" : `#/?${query}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return "";
    throw error;
  }
}

function readWeights(text: string): number[] {
  const weights = text.split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
  return weights.every((weight) => weight >= 0 && weight < Infinity) ? weights : [];
}

function readNumber(
  text: string | null,
  { low, high, whole = false }: { low: number; high: number; whole?: boolean },
): number | null {
  const value = text === null || text.trim() === "" ? NaN : Number(text);
  const right = value >= low && value <= high && (!whole || Number.isInteger(value));
  return right ? value : null;
}
