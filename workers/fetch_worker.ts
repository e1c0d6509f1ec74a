// The Worker that downloads, with the network and no library: it makes a model of the hub or
// libtensorflow lie on the disk before a job or the chat, which have no network, needs it. The
// supervisor (downloads.ts) calls `fetch` over its port.
import { createEventQueue } from "../core/generate/event_queue.ts";
import type { HubPlace } from "../data/datasets/places.ts";
import { downloadModel, hubOptions } from "../data/hub.ts";
import { findLibtensorflow, type NativeLibrary } from "../data/native.ts";
import { fetchDataset } from "./hub_data.ts";
import type { SessionEvent } from "./protocol.ts";
import { classifierFolder } from "./rewards/classifier.ts";
import { answer } from "./rpc.ts";
import { PortInit, type Variables } from "./threads.ts";
import { awaitInit } from "./worker_scope.ts";

/** What `fetch` is called with: a model, a data set or a classifier of the hub, or libtensorflow. */
export interface FetchCall {
  variables: Variables;
  wanted:
    | { kind: "model"; name: string; revision: string }
    | { kind: "dataset"; place: HubPlace }
    | { kind: "classifier"; name: string }
    | { kind: "libtensorflow" };
}

/** What `fetch` yields; `fetched` comes last, with what libtensorflow was looked for. */
export type FetchItem = SessionEvent | { type: "fetched"; libtensorflow: NativeLibrary | null };

awaitInit(PortInit).then(({ port }) => answer(port, { fetch: fetchWanted }));

function fetchWanted(call: FetchCall) {
  const items = createEventQueue<FetchItem>(() => {});
  download(call, (event) => items.push(event)).then(
    (libtensorflow) => {
      items.push({ type: "fetched", libtensorflow });
      items.close();
    },
    (error) => items.close(error),
  );
  return items;
}

async function download(
  { variables, wanted }: FetchCall,
  onEvent: (event: SessionEvent) => void,
): Promise<NativeLibrary | null> {
  const env = (name: string) => Object.hasOwn(variables, name) ? variables[name] : undefined;
  if (wanted.kind === "classifier") {
    await classifierFolder(wanted.name, { env, onEvent });
    return null;
  }
  if (wanted.kind === "dataset") {
    await fetchDataset(wanted.place, { env, onEvent });
    return null;
  }
  if (wanted.kind === "model") {
    await downloadModel(wanted.name, {
      revision: wanted.revision,
      hub: hubOptions(env),
      onProgress: ({ file, received, total }) =>
        onEvent({ type: "progress", what: `Fetching ${file}`, done: received, total }),
    });
    return null;
  }
  return await findLibtensorflow({
    env,
    onProgress(message, fraction) {
      if (fraction === undefined) return onEvent({ type: "notice", message });
      const done = Math.round(fraction * 1000);
      onEvent({ type: "progress", what: message, done, total: 1000 });
    },
  });
}
