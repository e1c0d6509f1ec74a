// The only place where errors become status codes: problem+json (RFC 9457), or OpenAI's shape under
// /v1. Whatever is thrown anywhere arrives here through the app's onError; what is not expected
// becomes a 500 that says nothing of its cause. Stack traces and folders never leave the server.
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { z } from "zod";
import { InputError, OverloadedError } from "../core/errors.ts";
import type { AppEnv } from "./context.ts";
import type { OpenAiError, Problem } from "./schemas.ts";
import { withoutFolders } from "./without_folders.ts";

interface Kind {
  status: ContentfulStatusCode;
  title: string;
  /** What OpenAI's API calls it; `code` where its clients look at one. */
  openAi: { type: string; code: string | null };
}

const invalid = (code: string | null = null) => ({ type: "invalid_request_error", code });
const server = (code: string | null = null) => ({ type: "server_error", code });

/** Errors of core/errors.ts by class, and the refusals of HTTP itself. */
const kinds = {
  InputError: { status: 400, title: "Invalid request", openAi: invalid() },
  NotFoundError: { status: 404, title: "Not found", openAi: invalid("model_not_found") },
  ConflictError: { status: 409, title: "Conflict", openAi: invalid("conflict") },
  BusyError: { status: 409, title: "In use", openAi: invalid("conflict") },
  OverloadedError: {
    status: 429,
    title: "Too many requests",
    openAi: { type: "rate_limit_error", code: "rate_limit_exceeded" },
  },
  CorruptFileError: { status: 500, title: "Damaged file", openAi: server() },
  DivergedError: { status: 500, title: "Diverged", openAi: server() },
  StorageError: { status: 500, title: "Storage failed", openAi: server() },
  ShardError: { status: 500, title: "Thread lost", openAi: server() },
  Unauthorized: {
    status: 401,
    title: "API key wanted",
    openAi: { type: "authentication_error", code: "invalid_api_key" },
  },
  Forbidden: { status: 403, title: "Forbidden", openAi: { type: "permission_error", code: null } },
  NoRoute: { status: 404, title: "Not found", openAi: invalid("unknown_url") },
  MethodNotAllowed: { status: 405, title: "Method not allowed", openAi: invalid() },
  NotAcceptable: { status: 406, title: "Not acceptable", openAi: invalid() },
  BodyTooLarge: { status: 413, title: "Body too large", openAi: invalid() },
  UnsupportedMediaType: { status: 415, title: "Unsupported media type", openAi: invalid() },
  ClientLeft: { status: 499 as ContentfulStatusCode, title: "Client left", openAi: invalid() },
  JobFailed: { status: 500, title: "Job failed", openAi: server() },
  Unexpected: { status: 500, title: "Internal error", openAi: server() },
  Unavailable: { status: 503, title: "Unavailable for a moment", openAi: server() },
  Draining: { status: 503, title: "Ending", openAi: server("shutting_down") },
} satisfies Record<string, Kind>;

type Kinds = keyof typeof kinds;

/** A refusal that has no class in core/errors.ts. `message` is shown to the client. */
export class Refusal extends Error {
  override name = "Refusal";
  constructor(
    readonly kind: Exclude<Kinds, `${string}Error`>,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }
}

type Issue = NonNullable<Problem["errors"]>[number];

/** A request that does not fit its schema. */
export class InvalidRequestError extends InputError {
  readonly issues: Issue[];
  /** `target`: where the values stood; `error`: what zod found. */
  constructor(target: Issue["in"], error: z.ZodError) {
    const issues = listIssues(target, error);
    const wrong = issues.map(({ name, message }) => name === "" ? message : `${name}: ${message}`);
    super(`Cannot read the ${words[target]}: expected its schema, got ${wrong.join("; ")}`);
    this.issues = issues;
  }
}

const words: Record<Issue["in"], string> = {
  query: "query",
  param: "path",
  header: "headers",
  json: "body",
  form: "form",
  cookie: "cookies",
};

const MOST_ISSUES = 10;
const LONGEST_DETAIL = 2000; // characters

/** The answer to a request that failed with `error`. */
export function errorResponse(error: unknown, c: Context<AppEnv>): Response {
  const { kind, problem } = describeError(error, c);
  const headers = {
    ...headersOf(error),
    ...(kind === "Unauthorized" && { "www-authenticate": "Bearer" }),
  };
  if (isOpenAi(c)) return c.json(openAiError(error, c), problem.status, headers);
  return c.json(problem, problem.status, {
    ...headers,
    "content-type": "application/problem+json",
  });
}

/** `error` as the data of a stream's last event. */
export function errorData(error: unknown, c: Context<AppEnv>): Problem | OpenAiError {
  return isOpenAi(c) ? openAiError(error, c) : describeError(error, c).problem;
}

/** Whether the log should tell of `error`: it is no fault of the request. */
export function isUnexpected(error: unknown): boolean {
  return kinds[kindOf(error)].status >= 500 && !(error instanceof Refusal);
}

function describeError(error: unknown, c: Context<AppEnv>) {
  const kind = kindOf(error);
  const { status, title } = kinds[kind];
  const problem = {
    type: `urn:panacea:${
      kind.replace(/Error$/, "").replace(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase()
    }`,
    title,
    status,
    detail: detailOf(error, kind),
    instance: new URL(c.req.url).pathname.slice(0, LONGEST_DETAIL),
    request_id: c.get("requestId"),
    ...(error instanceof InvalidRequestError && { errors: withoutFolders(error.issues) }),
  };
  return { kind, problem };
}

function openAiError(error: unknown, c: Context<AppEnv>): OpenAiError {
  const { kind, problem } = describeError(error, c);
  const param = error instanceof InvalidRequestError ? error.issues[0]?.name || null : null;
  return { error: { message: problem.detail, param, ...kinds[kind].openAi } };
}

function kindOf(error: unknown): Kinds {
  if (error instanceof Refusal) return error.kind;
  if (error instanceof InputError) return "InputError";
  if (error instanceof HTTPException) return byStatus[error.status] ?? "Unexpected";
  if (!(error instanceof Error)) return "Unexpected";
  if (error.name === "AbortError") return "ClientLeft";
  return Object.hasOwn(kinds, error.name) ? error.name as Kinds : "Unexpected";
}

/** What Hono and its validators throw by themselves. */
const byStatus: Partial<Record<number, Kinds>> = {
  400: "InputError",
  413: "BodyTooLarge",
  415: "UnsupportedMediaType",
};

function detailOf(error: unknown, kind: Kinds): string {
  if (kind === "Unexpected") return "The server failed at this request; its log has the cause";
  if (error instanceof HTTPException) return details[error.status] ?? kinds[kind].title;
  const text = error instanceof Error ? error.message : kinds[kind].title;
  return withoutFolders(text).slice(0, LONGEST_DETAIL);
}

const details: Partial<Record<number, string>> = {
  400: "Cannot read the body: expected JSON, got something else",
  413: "Cannot read the body: it is larger than this server takes",
  415: "Cannot read the body: expected content-type application/json, got another",
};

function headersOf(error: unknown): Record<string, string> {
  if (error instanceof Refusal) return error.headers;
  if (error instanceof OverloadedError) {
    return { "retry-after": String(Math.max(1, Math.ceil(error.retryAfterSeconds))) };
  }
  return kindOf(error) === "Unavailable" ? { "retry-after": "1" } : {};
}

function isOpenAi(c: Context<AppEnv>): boolean {
  return /^\/v1(\/|$)/.test(c.req.path);
}

function listIssues(target: Issue["in"], error: z.ZodError): Issue[] {
  return error.issues.slice(0, MOST_ISSUES).flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.slice(0, MOST_ISSUES).map((key) => ({
        in: target,
        name: [...issue.path, key].join(".").slice(0, 200),
        message: "no such parameter",
      }));
    }
    const message = issue.code === "invalid_format" && issue.pattern
      ? `expected a text of the form ${issue.pattern.replace(/^\/|\/[a-z]*$/g, "")}`
      : issue.message;
    return [{
      in: target,
      name: issue.path.join(".").slice(0, 200),
      message: message.slice(0, 400),
    }];
  });
}
