// Who may ask and how much: every request passes `guard` before any route sees it. The server is
// meant for the machine it runs on, where web pages of strangers run too; so a foreign Host (DNS
// rebinding), a foreign Origin or a cross-site fetch (CSRF, also by GET: /chat and /front work) is
// refused on every method, then the key is asked for, then the body is measured.
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { secureHeaders } from "hono/secure-headers";
import { InputError } from "../core/errors.ts";
import type { AppEnv, Parts } from "./context.ts";
import { Refusal } from "./errors.ts";

/** Paths that need no key, besides the files of the page and of /docs. */
const PUBLIC = ["/", "/docs", "/docs/init.js", "/health", "/ready", "/version"];

type Guarded = Pick<Parts, "config" | "apiKey" | "files">;

/** Refuses what may not pass. */
export function guard({ config, apiKey, files }: Guarded): MiddlewareHandler<AppEnv>[] {
  const hosts = ownHosts(config.host, config.allowed_hosts);
  const open = new Set([...PUBLIC, ...Object.keys(files)]);
  const keyHash = apiKey === undefined ? undefined : hash(apiKey);
  return [
    async (c, next) => {
      checkTarget(c);
      checkHost(c, hosts);
      checkOrigin(c, hosts, open);
      if (keyHash !== undefined && !open.has(c.req.path)) await checkKey(c, await keyHash);
      checkBody(c, config.body_limit_bytes);
      await next();
    },
    bodyLimit({
      maxSize: config.body_limit_bytes,
      onError: () => {
        throw tooLarge(config.body_limit_bytes);
      },
    }),
  ];
}

/**
 * Headers by which a browser runs and loads nothing but our own files. Styles of /docs and of an
 * SVG are inline; scripts never are.
 */
export function browserHeaders(): MiddlewareHandler<AppEnv> {
  const common = {
    xFrameOptions: "DENY",
    strictTransportSecurity: false, // plain HTTP; a proxy that adds TLS adds this too
    overwrite: true,
  };
  const csp = {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", "data:", "blob:"],
    fontSrc: ["'self'"],
    connectSrc: ["'self'"],
    manifestSrc: ["'self'"],
    formAction: ["'self'"],
    baseUri: ["'none'"],
    frameAncestors: ["'none'"],
  };
  const page = secureHeaders({ ...common, contentSecurityPolicy: csp });
  const docs = secureHeaders({
    ...common,
    contentSecurityPolicy: { ...csp, styleSrc: ["'self'", "'unsafe-inline'"] },
  });
  const picture = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
  return async (c, next) => {
    await (c.req.path === "/docs" ? docs : page)(c, next);
    if (c.res.headers.get("content-type")?.startsWith("image/svg+xml")) {
      c.res.headers.set("content-security-policy", picture);
    }
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
  };
}

interface Hosts {
  names: Set<string>;
  /** Names given by the user: pages of these may ask too. */
  trusted: Set<string>;
  /** Listening on every address: any address may be named, since rebinding takes a name. */
  anyAddress: boolean;
}

function ownHosts(host: string, allowed: string): Hosts {
  const trusted = new Set(
    allowed.split(",").map((name) => name.trim().toLowerCase()).filter((name) => name !== ""),
  );
  const names = new Set(["localhost", "127.0.0.1", "[::1]", bracketed(host), ...trusted]);
  return { names, trusted, anyAddress: ["0.0.0.0", "[::]"].includes(bracketed(host)) };
}

function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host.toLowerCase();
}

/** `/adapters/..` would be tidied up to `/` before any route sees it, and answered with the page. */
function checkTarget(c: Context<AppEnv>): void {
  const [path = ""] = (c.env?.incoming?.url ?? "").split(/[?#]/);
  if (!/[/\\](\.|%2e){1,2}([/\\]|$)/i.test(path)) return;
  throw new InputError("Cannot answer for this path: expected one without . and .., got another");
}

/** The Host header, and the address asked for where a request names a whole one. */
function checkHost(c: Context<AppEnv>, hosts: Hosts): void {
  const url = new URL(c.req.url);
  const named = c.req.header("host") ?? url.host;
  const host = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i.exec(named)?.[1]?.toLowerCase();
  if (host === undefined || !isOwn(host, hosts) || !isOwn(url.hostname, hosts)) {
    throw new Refusal(
      "Forbidden",
      "Cannot answer for this Host: expected the address the server listens on or a name of " +
        "--allowed_hosts, got another",
    );
  }
}

function isOwn(host: string, { names, anyAddress }: Hosts): boolean {
  return names.has(host) || (anyAddress && /^(\[[0-9a-f:.]+\]|\d{1,3}(\.\d{1,3}){3})$/.test(host));
}

/** What the browser says of where a request comes from; other programs say nothing. */
function checkOrigin(c: Context<AppEnv>, hosts: Hosts, open: Set<string>): void {
  const origin = c.req.header("origin");
  if (origin !== undefined) {
    if (isOwnOrigin(origin, c, hosts)) return;
    throw new Refusal(
      "Forbidden",
      "Cannot answer a page of another origin: expected this server's own, got another",
    );
  }
  const site = c.req.header("sec-fetch-site") ?? "none";
  const followsLink = c.req.method === "GET" && open.has(c.req.path) &&
    c.req.header("sec-fetch-mode") === "navigate";
  if (site !== "same-origin" && site !== "none" && !followsLink) {
    throw new Refusal(
      "Forbidden",
      "Cannot answer a page of another site: expected this server's own, got another",
    );
  }
}

function isOwnOrigin(origin: string, c: Context<AppEnv>, { trusted }: Hosts): boolean {
  const url = URL.parse(origin);
  if (url === null || !/^https?:$/.test(url.protocol)) return false;
  const host = c.req.header("host") ?? new URL(c.req.url).host;
  return url.host === URL.parse(`${url.protocol}//${host}`)?.host || trusted.has(url.hostname);
}

/** Only `Authorization: Bearer`, once. */
async function checkKey(c: Context<AppEnv>, keyHash: Uint8Array): Promise<void> {
  const given = /^Bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  const right = await hash(given ?? "").then((bytes) => sameBytes(bytes, keyHash));
  if (given === undefined || !right) {
    throw new Refusal(
      "Unauthorized",
      "Cannot answer without the API key: expected it as Authorization: Bearer KEY, got " +
        (given === undefined ? "none" : "another"),
    );
  }
}

/** Hashes have one length, so that comparing them tells nothing about the key's. */
async function hash(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = 0;
  for (const [i, byte] of a.entries()) difference |= byte ^ (b[i] ?? 0);
  return difference === 0;
}

/** What the headers say of the body; a body that does not say its length is counted by bodyLimit. */
function checkBody(c: Context<AppEnv>, limit: number): void {
  const length = Number(c.req.header("content-length") ?? 0);
  if (length > limit) throw tooLarge(limit);
  if (length === 0 && c.req.header("transfer-encoding") === undefined) return;
  const type = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    throw new Refusal(
      "UnsupportedMediaType",
      "Cannot read the body: expected content-type application/json, got " +
        (type ? "another" : "none"),
    );
  }
}

function tooLarge(limit: number): Refusal {
  return new Refusal(
    "BodyTooLarge",
    `Cannot read the body: expected at most ${limit} bytes, got more`,
  );
}
