// A hub on loopback for the tests: one repository, a model or a data set, with its API and files.
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { HubOptions } from "../../data/hub.ts";

/** The only commit of the repository, which is its branch main. */
export const commit = "0123456789abcdef0123456789abcdef01234567";

/** The hub's API for one repository, owner/tiny, on loopback; *.safetensors are LFS files there. */
export async function fakeHub({ files, kind = "models", token, damage }: {
  files: Map<string, Uint8Array<ArrayBuffer>>;
  kind?: "models" | "datasets";
  token?: string;
  damage?: Damage;
}) {
  const requests: string[] = [];
  const ranges: (string | undefined)[] = [];
  const state = { damage };
  const cache = await Deno.makeTempDir();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const url = new URL(request.url);
    const path = decodeURIComponent(url.pathname);
    requests.push(path);
    if (token && request.headers.get("authorization") !== `Bearer ${token}`) {
      return Response.json({ error: "gated" }, { status: 401 });
    }
    if (path === `/api/${kind}/owner/tiny/revision/main`) {
      return Response.json({ _id: "1", id: "owner/tiny", sha: commit, lastModified: "2026-01-01" });
    }
    if (path === `/api/${kind}/owner/tiny/tree/${commit}`) {
      const deep = url.searchParams.get("recursive") === "true";
      return Response.json(tree(files, deep));
    }
    const prefix = `${kind === "models" ? "" : "/datasets"}/owner/tiny/resolve/${commit}/`;
    const bytes = path.startsWith(prefix) ? files.get(path.slice(prefix.length)) : undefined;
    if (!bytes) return Response.json({ error: "not found" }, { status: 404 });
    if (!path.endsWith(".safetensors")) return part(bytes, request, undefined);
    const range = request.headers.get("range") ?? undefined;
    if (range !== "bytes=0-0") ranges.push(range); // which asks for the size
    return part(bytes, request, state.damage);
  });
  let stopped = false;
  async function stop(): Promise<void> {
    if (!stopped) await server.shutdown();
    stopped = true;
  }
  const options: HubOptions = {
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    cacheDir: join(cache, "hub"),
    offline: false,
  };
  return Object.assign(state, {
    options,
    requests,
    /** Ranges of the weights that were asked for; undefined: all of them. */
    ranges,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await Deno.remove(cache, { recursive: true });
    },
  });
}

function tree(files: Map<string, Uint8Array>, deep: boolean): unknown[] {
  return [...files].filter(([path]) => deep || !path.includes("/")).map(([path, bytes]) => {
    const git = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const lfs = { oid: sha256, size: bytes.length, pointerSize: 130 };
    return {
      type: "file",
      path,
      size: bytes.length,
      oid: git,
      ...path.endsWith(".safetensors") && { lfs },
    };
  });
}

/**
 * What is wrong with the weights that a hub sends: a byte; the connection, which breaks half-way
 * when asked for all of them; or it breaks then, and always at once when asked for the rest.
 */
type Damage = "alter" | "drop" | "refuse";

/** The range a request asks for, damaged. */
function part(
  bytes: Uint8Array<ArrayBuffer>,
  request: Request,
  damage: Damage | undefined,
): Response {
  const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.get("range") ?? "") ?? [];
  const headers: Record<string, string> = { etag: '"x"' };
  if (start === undefined || end === undefined) {
    const body = bytes.slice();
    if (damage === "alter") body[body.length - 1] = (body.at(-1) ?? 0) ^ 1;
    if (damage !== "drop" && damage !== "refuse") return new Response(body, { headers });
    return broken(body.slice(0, Math.floor(body.length / 2)), {
      ...headers,
      "content-length": `${body.length}`,
    });
  }
  const body = bytes.slice(Number(start), Number(end) + 1);
  headers["content-range"] = `bytes ${start}-${end}/${bytes.length}`;
  if (damage === "refuse" && start !== "0") return broken(new Uint8Array(), headers);
  return new Response(body, { status: 206, headers });
}

/** A response whose connection breaks behind its first bytes. */
function broken(bytes: Uint8Array<ArrayBuffer>, headers: Record<string, string>): Response {
  let sent = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      if (!sent && bytes.length > 0) {
        sent = true;
        controller.enqueue(bytes);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 100)); // what was sent is on its way
      controller.error(new Error("the connection breaks"));
    },
  });
  return new Response(body, { status: 200, headers });
}
