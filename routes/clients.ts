// The supervisor and the chat worker as the web process sees them: their interfaces, spoken over
// MessagePorts by workers/rpc.ts. Method names are the interfaces' own; each takes one argument.
import type { Client } from "../workers/rpc.ts";
import type { ChatService, Service } from "../workers/service.ts";

/** The supervisor. */
export function serviceClient(client: Client): Service {
  return {
    listAdapters: () => client.call("listAdapters"),
    getAdapter: (id) => client.call("getAdapter", id),
    deleteAdapter: (id) => client.call("deleteAdapter", id),
    listModels: () => client.call("listModels"),
    front: (request) => client.call("front", request),
    figure: (request) => client.call("figure", request),
    createRun: (request) => client.call("createRun", request),
    listJobs: () => client.call("listJobs"),
    getJob: (id) => client.call("getJob", id),
    cancelJob: (id) => client.call("cancelJob", id),
    resumeJob: (id) => client.call("resumeJob", id),
    watchJob: (request, signal) => client.stream("watchJob", request, signal),
    gauges: () => client.call("gauges"),
  };
}

/** The chat worker; `current` gives the one that runs now, since a worker that died is replaced. */
export function chatClient(current: () => Client): ChatService {
  return {
    chat: (request, signal) => current().stream("chat", request, signal),
    gauges: () => current().call("gauges"),
    models: () => current().call("models"),
  };
}
