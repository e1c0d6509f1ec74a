// Data sets of the hub brought onto the disk before a run reads them: in the options of a run, a name
// of the hub becomes the place of its files in the cache. A stored run therefore tells the commit that
// it was trained on, and reads the same rows whatever the hub holds later.
import type { RunConfig } from "../core/config.ts";
import { InputError } from "../core/errors.ts";
import { type HubPlace, hubPlace, localPlace } from "../data/datasets/places.ts";
import { namedDataset } from "../data/datasets/mod.ts";
import { mapSpec, parseSpec } from "../data/datasets/spec.ts";
import { statOrNull } from "../data/files.ts";
import { downloadDataset, hubOptions } from "../data/hub.ts";
import type { SessionOptions } from "./protocol.ts";

type Options = Pick<SessionOptions, "env" | "onEvent">;

/** Settings of a run that name data. */
const dataSettings = ["dataset", "eval_dataset", "ptx_dataset"] as const;

/** The same settings with every data set on the disk. Throws as localDataset. */
export async function withLocalData<
  T extends Partial<Pick<RunConfig, typeof dataSettings[number]>>,
>(settings: T, options: Options): Promise<T> {
  const local: Partial<RunConfig> = {};
  for (const name of dataSettings) {
    const spec = settings[name];
    if (spec !== undefined) local[name] = await localDataset(spec, options);
  }
  return { ...settings, ...local };
}

/**
 * A dataset option whose every part is a file or folder: what is not on the disk and reads like a name
 * of the hub is downloaded. Throws InputError where the hub does not have it or cannot be reached, and
 * for a cache whose path an option cannot hold.
 */
export async function localDataset(spec: string, options: Options): Promise<string> {
  const places = await hubPlaces(spec);
  if (places.size === 0) return spec;
  return await mapSpec(spec, async (file) => {
    const place = places.get(file);
    return place === undefined ? file : await fetchDataset(place, options);
  });
}

/** The data sets of the hub that a dataset option names, each by its text there. */
export async function hubPlaces(spec: string): Promise<Map<string, HubPlace>> {
  const places = new Map<string, HubPlace>();
  if (namedDataset(spec) !== null) return places;
  for (const file of parseSpec(spec).flatMap(({ files }) => files)) {
    const place = await onHub(file);
    if (place !== null) places.set(file, place);
  }
  return places;
}

/** Downloads one, as far as the cache lacks it, and tells where it lies. */
export async function fetchDataset(
  place: HubPlace,
  { env, onEvent }: Options,
): Promise<string> {
  const path = await downloadDataset(place, {
    hub: hubOptions(env),
    onProgress: ({ file, received, total }) =>
      onEvent({ type: "progress", what: `Fetching ${file}`, done: received, total }),
  });
  if (!/[,+]/.test(path)) return path;
  throw new InputError(`Cannot use ${path}: expected a cache folder without , and +, got one`);
}

/** The place on the hub that a part names; null for what lies, or would lie, on the disk. */
async function onHub(text: string): Promise<HubPlace | null> {
  const place = hubPlace(text);
  const { path } = await localPlace(text);
  if (place === null || await statOrNull(path)) return null;
  const [owner = ""] = place.id.split("/");
  return await statOrNull(owner) ? null : place; // a file that is missing in a folder that is there
}
