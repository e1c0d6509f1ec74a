// Devices that a footprint is held against, and the time that its operations take there. Peaks are
// those of the makers' data sheets (dense, bfloat16 with float32 sums, and float32); what of them
// training reaches is an assumption, which the dry run prints.
import type { Footprint } from "./run.ts";
import { totalBytes } from "./run.ts";

/** Where the engine computes, and the machine around it. */
export interface Device {
  name: string;
  bytes: number; // of memory for the engine
  half: number; // operations a second with frozen weights in bfloat16
  single: number; // operations a second in float32
  share: number; // of the peaks that training reaches
  /** Whether its memory is the machine's own. */
  isHost: boolean;
  host: Host;
}

/** A machine's processor, which generates. */
export interface Host {
  bytes: number;
  single: number; // operations a second
  bandwidth: number; // bytes a second
}

/**
 * The share of a plain product's measured speed that training reaches on a processor, as the benchmark
 * measured it (tests/reports/bench.json, dpo_step, limit): the rest of a step is passes over memory.
 */
export const SHARE_OF_PRODUCT = 0.55;

const GIBIBYTE = 2 ** 30;
/** A server around a GPU: 32 cores with AVX-512, eight channels of memory. */
const SERVER: Host = { bytes: 256 * GIBIBYTE, single: 1.5e12, bandwidth: 150e9 };

/** Devices by name. */
export const devices: Record<string, Device> = {
  "A800 80 GB": {
    ...{ name: "A800 80 GB", bytes: 80 * GIBIBYTE, half: 312e12, single: 19.5e12, share: 0.4 },
    ...{ isHost: false, host: SERVER },
  },
  "H100 80 GB": {
    ...{ name: "H100 80 GB", bytes: 80 * GIBIBYTE, half: 989e12, single: 67e12, share: 0.4 },
    ...{ isHost: false, host: SERVER },
  },
  "RTX 4090": {
    ...{ name: "RTX 4090", bytes: 24 * GIBIBYTE, half: 165e12, single: 82.6e12, share: 0.4 },
    ...{ isHost: false, host: SERVER },
  },
};

/** How a footprint fits a device. */
export interface Fit {
  seconds: number;
  /** Of these, the processor's: generating. */
  generationSeconds: number;
  engineBytes: number;
  hostBytes: number;
  fits: boolean;
}

/** Time and room of a footprint on a device. */
export function fitOn(footprint: Footprint, device: Device): Fit {
  const { engine, generation, engineBytes, hostBytes } = footprint;
  const { half, single, share, host } = device;
  const computing = engine.held / (half * share) + engine.float32 / (single * share);
  const multiplying = (generation.held + generation.float32) / host.single;
  const generationSeconds = Math.max(multiplying, generation.bytesRead / host.bandwidth);
  const [onEngine, onHost] = [totalBytes(engineBytes), totalBytes(hostBytes)];
  const together = device.isHost ? onEngine + onHost : onHost;
  return {
    seconds: computing + generationSeconds,
    generationSeconds,
    engineBytes: onEngine,
    hostBytes: onHost,
    fits: (device.isHost || onEngine <= device.bytes) && together <= host.bytes,
  };
}
