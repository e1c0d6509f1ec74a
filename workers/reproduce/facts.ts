// What the report says about where it was made: machine and versions, without names or places.
import project from "../../deno.json" with { type: "json" };
import type { RunConfig } from "../../core/config.ts";
import { startEngine } from "../machine.ts";
import type { SessionOptions } from "../protocol.ts";

/** Packages that compute or draw, whose versions the report names. */
const PACKAGES = ["@tensorflow/tfjs-core", "onnxruntime-node", "@observablehq/plot"];

/** Cores, memory and platform. */
export function machineFacts(): Record<string, string | number> {
  return {
    cores: navigator.hardwareConcurrency,
    memory: `${Math.round(Deno.systemMemoryInfo().total / 2 ** 30)} GiB`,
    platform: Deno.build.target,
  };
}

/** Versions of this project and of what it computes with; the engine is opened for its own. */
export async function versionFacts(
  compute: Pick<RunConfig, "engine" | "threads" | "device">,
  options: SessionOptions,
): Promise<Record<string, string>> {
  const imports: Record<string, string> = project.imports;
  const packages = PACKAGES.map((name) => [name, imports[name]?.split("@").at(-1) ?? "unknown"]);
  const engine = await startEngine({ ...compute, dtype: "float32" }, options);
  const { name, version } = engine;
  engine.dispose();
  return {
    panacea: project.version,
    engine: `${name} ${version}`,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    ...Object.fromEntries(packages),
  };
}
