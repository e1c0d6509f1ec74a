// Numbers about the server for Prometheus: what the web process counts itself, and the gauges of the
// supervisor and the chat worker, asked for at each scrape. Labels are route patterns and states,
// never a path, a name or a text that a client chose.
import { createRoute, z } from "@hono/zod-openapi";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Gauges } from "../workers/service.ts";
import type { Parts } from "./context.ts";
import { createRouter, problems } from "./router.ts";

/** What the web process counts. */
export interface Metrics {
  request(labels: { method: string; route: string; status: number }, milliseconds: number): void;
  /** A generation has begun; to be called with how it ended. */
  chatStarted(): (reason: string) => void;
  /** From the request to its first text. */
  firstToken(milliseconds: number): void;
  /** Everything as Prometheus reads it. */
  text(others: Gauges[]): Promise<string>;
}

const PREFIX = "panacea_";
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Counters at 0. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: `${PREFIX}http_requests_total`,
    help: "Requests answered",
    labelNames: ["method", "route", "status"],
    registers,
  });
  const durations = new Histogram({
    name: `${PREFIX}http_request_seconds`,
    help: "From a request to the start of its answer",
    labelNames: ["method", "route"],
    buckets: SECONDS,
    registers,
  });
  const firstTokens = new Histogram({
    name: `${PREFIX}chat_first_token_seconds`,
    help: "From a request to the first text of its answer",
    buckets: SECONDS,
    registers,
  });
  const open = new Gauge({ name: `${PREFIX}chats_open`, help: "Chats being answered", registers });
  const ended = new Counter({
    name: `${PREFIX}chats_ended_total`,
    help: "Chats that ended, by reason",
    labelNames: ["reason"],
    registers,
  });
  return {
    request({ method, route, status }, milliseconds) {
      requests.inc({ method, route, status });
      durations.observe({ method, route }, milliseconds / 1000);
    },
    chatStarted() {
      open.inc();
      let running = true;
      return (reason) => {
        if (!running) return;
        running = false;
        open.dec();
        ended.inc({ reason });
      };
    },
    firstToken: (milliseconds) => firstTokens.observe(milliseconds / 1000),
    async text(others) {
      const asked = others.flatMap((gauges) => Object.entries(gauges)).filter(([name, value]) =>
        /^[a-zA-Z_]\w*$/.test(name) && Number.isFinite(value)
      );
      const lines = asked.map(([name, value]) =>
        `# TYPE ${PREFIX}${name} gauge\n${PREFIX}${name} ${value}\n`
      );
      return await registry.metrics() + "\n" + lines.join("");
    },
  };
}

const LONGEST_WAIT_MS = 1000;

/** `GET /metrics`. */
export function metricsRoutes({ service, chat, metrics }: Parts) {
  const get = createRoute({
    operationId: "getMetrics",
    tags: ["server"],
    method: "get",
    path: "/metrics",
    summary: "Numbers about the server, for Prometheus",
    responses: {
      200: { description: "text format 0.0.4", content: { "text/plain": { schema: z.string() } } },
      ...problems(),
    },
  });
  return createRouter().openapi(get, async (c) => {
    const others = await Promise.all([inTime(service.gauges()), inTime(chat.gauges())]);
    return c.text(await metrics.text(others), 200, {
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
    });
  });
}

/** A thread that does not answer leaves its gauges out and holds nothing up. */
async function inTime(gauges: Promise<Gauges>): Promise<Gauges> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<Gauges>((resolve) => {
    timer = setTimeout(() => resolve({}), LONGEST_WAIT_MS);
  });
  try {
    return await Promise.race([gauges, late]);
  } catch {
    return {};
  } finally {
    clearTimeout(timer);
  }
}
