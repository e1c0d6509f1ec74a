// A web Worker for keepers_test.ts: listens as the real one does, and dies when it is asked to.
import { type FromWeb, WebInit } from "../../workers/threads.ts";
import { awaitInit, workerScope } from "../../workers/worker_scope.ts";

const say = (message: FromWeb) => workerScope.postMessage(message);

awaitInit(WebInit, () => say({ type: "drained" })).then(({ config: { host, port } }) => {
  Deno.serve({
    hostname: host,
    port,
    onListen: (address) => say({ type: "listening", address: { host, port: address.port } }),
  }, ({ url }) => {
    if (url.endsWith("/die")) {
      setTimeout(() => Deno.exit(1));
    }
    return new Response("alive");
  });
});
