// Python of the peers, whose tools tests call for real: PANACEA_PEERS names its interpreter. Where it
// or a module is missing, a test skips with the reason.
import { fileURLToPath } from "node:url";

const interpreter = Deno.env.get("PANACEA_PEERS");

/** Why tests cannot use these modules; null where they can. */
export async function whyNoModules(...modules: string[]): Promise<string | null> {
  const reason = `PANACEA_PEERS names no Python with ${modules.join(" and ")}`;
  if (!interpreter) return reason;
  const probe = new Deno.Command(interpreter, {
    args: ["-P", "-c", `import ${modules.join(", ")}`],
    stdout: "null",
    stderr: "null",
  });
  return await probe.output().then(({ success }) => success, () => false) ? null : reason;
}

/** What a script of the peers prints as JSON; `input` reaches it as JSON. Rejects where it fails. */
export async function runPython<T>(
  script: URL,
  { args = [], input }: { args?: string[]; input?: unknown } = {},
): Promise<T> {
  const child = new Deno.Command(interpreter ?? "", {
    args: ["-P", fileURLToPath(script), ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const writing = writer.write(new TextEncoder().encode(JSON.stringify(input ?? null)))
    .then(() => writer.close()).catch(() => {}); // a script that fails reads nothing
  const [{ code, stdout, stderr }] = await Promise.all([child.output(), writing]);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (code !== 0) throw new Error(`${script.pathname} ended with ${code}: ${text(stderr)}`);
  return JSON.parse(text(stdout));
}
