// Run by 27_privilege_test.ts with the very flags of `deno task serve`: spawns the probes with the
// permissions of each Worker, and once with the supervisor's own, and prints what was allowed.
import { join } from "node:path";
import {
  chatPermissions,
  jobPermissions,
  type Permissions,
  type Places,
  webPermissions,
} from "../../workers/permissions.ts";
import { connect } from "../../workers/rpc.ts";
import { openLine, startThread } from "../../workers/thread.ts";
import type { Targets } from "./27_probe_worker.ts";

const [folder = "", library = ""] = Deno.args;
const at = (name: string) => join(folder, name);
const places: Places = {
  runs: at("runs"),
  files: at("files"),
  hub: at("hub"),
  cache: at("cache"),
  references: at("cache/reference"),
  graphs: at("cache/graphs"),
};
using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const targets: Targets = {
  home: at("home"),
  outside: at("outside"),
  runs: places.runs,
  port: listener.addr.port,
  library,
};
const workers: Record<string, Permissions> = {
  web: webPermissions({ host: "127.0.0.1", port: 0 }),
  chat: chatPermissions(places, { models: [] }),
  job: jobPermissions(places, { adapter: "a", inputs: [], libtensorflow: at("native") }),
  "job that generates": jobPermissions(places, {
    adapter: "a",
    inputs: [],
    libtensorflow: null,
    generates: true,
  }),
  "job that classifies": jobPermissions(places, {
    adapter: "a",
    inputs: [],
    libtensorflow: null,
    generates: true,
    classifies: true,
  }),
  "job on WebAssembly": jobPermissions(places, { adapter: "a", inputs: [], libtensorflow: null }),
  // Shows that the probes do what they are to be kept from.
  nobody: {
    env: true,
    ffi: true,
    import: false, // the supervisor's own is Deno's short list of hosts
    net: true,
    read: true,
    run: ["python3"],
    sys: true,
    write: true,
  },
};
const outcomes: Record<string, unknown> = {};
for (const [name, permissions] of Object.entries(workers)) {
  const url = new URL("./27_probe_worker.ts", import.meta.url);
  const thread = await startThread(url, { name, permissions });
  const line = openLine();
  thread.post({ port: line.far }, [line.far]);
  outcomes[name] = await connect(line.near).call("probe", targets);
  thread.stop();
}
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(outcomes)));
Deno.exit(0);
