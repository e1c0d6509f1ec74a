// A router of one resource, and how its routes are described: a request that does not fit its
// schema is refused in one way, and every route names the errors it can answer with.
import { OpenAPIHono } from "@hono/zod-openapi";
import type { AppEnv } from "./context.ts";
import { InvalidRequestError } from "./errors.ts";
import { OpenAiError, Problem } from "./schemas.ts";

/** An empty router whose validators throw InvalidRequestError. */
export function createRouter(): OpenAPIHono<AppEnv> {
  return new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (!result.success) throw new InvalidRequestError(result.target, result.error);
    },
  });
}

const meanings = {
  400: "the request cannot be used",
  401: "the API key is missing or wrong",
  403: "the Host, Origin or Sec-Fetch-Site header is foreign",
  404: "nothing of that name exists",
  406: "none of the accepted media types can be given",
  409: "it does not fit the state of things",
  413: "the body is too large",
  415: "the body is not application/json",
  429: "more is asked for than fits: ask again after Retry-After seconds",
  500: "the server failed",
  503: "the server is ending",
} as const;
type ErrorStatus = keyof typeof meanings;

/** What the listener answers before there is a request: without a body. */
const unread = {
  408: { description: "the request came too slowly" },
  431: { description: "the address and the headers are larger than 16 KiB" },
};

/** Errors of a route as problem+json; those that can happen at any are among them. */
export function problems<S extends ErrorStatus = never>(...statuses: S[]) {
  return describe(statuses, (description) => ({
    description,
    content: { "application/problem+json": { schema: Problem } },
  }));
}

/** Errors of a route under /v1. */
export function openAiErrors<S extends ErrorStatus = never>(...statuses: S[]) {
  return describe(statuses, (description) => ({
    description,
    content: { "application/json": { schema: OpenAiError } },
  }));
}

function describe<S extends ErrorStatus, R>(statuses: S[], response: (meaning: string) => R) {
  const all = [...statuses, 401, 403, 500] as const;
  const described = Object.fromEntries(
    all.map((status) => [status, response(meanings[status])]),
  ) as Record<S | 401 | 403 | 500, R>;
  return { ...described, ...unread };
}
