// Rows about the service: what the web process adds to the first token, whether it answers while
// training runs, and how fast a front comes from the store. All on the real server, over loopback.
// Part of the table in rows.ts.
import { compareTimings, holdAgainst, median, timingsOf } from "./compare.ts";
import { emptyCache, nativeLibrary, ownScript, parseJsonLines } from "./own.ts";
import type { Experiment, Round, Row } from "./row.ts";

const service: Experiment = {
  async contestants(surroundings) {
    const library = await nativeLibrary(surroundings); // the server trains
    return {
      server: ownScript("service.ts", [], {
        read: (output) => parseJsonLines(output)[0] ?? {},
        env: (folder) => ({ LIBTENSORFLOW_DIR: library, ...emptyCache(folder) }),
      }),
    };
  },
};

/** Rows of the table. */
export const serviceRows: Row[] = [
  {
    name: "first_token",
    description: "first token over HTTP beside the chat worker asked directly",
    experiment: service,
    report(rounds) {
      const report = serverTimes("first_token", rounds, { ours: "first", peer: "firstDirect" });
      const added = median(figures(rounds, "firstAddedP95"));
      return { ...report, target: holdAgainst(added, { atMost: 0.005 }, "s") };
    },
  },
  {
    name: "health_while_training",
    description: "/health at p99 while a run trains beside the same without one",
    experiment: service,
    report(rounds) {
      const report = serverTimes("health_while_training", rounds, {
        ours: "healthTrainingP99",
        peer: "healthP99",
      });
      return { ...report, target: holdAgainst(report.ours, { atMost: 0.05 }, "s") };
    },
  },
  {
    name: "stored_front",
    description: "a front from the store at p95 beside /health at p95",
    experiment: service,
    report(rounds) {
      const report = serverTimes("stored_front", rounds, { ours: "frontP95", peer: "healthP95" });
      return { ...report, target: holdAgainst(report.ours, { atMost: 0.02 }, "s") };
    },
  },
];

/** Both sides are figures of the one script; the memory told is the server's. */
function serverTimes(
  name: string,
  rounds: Round[],
  { ours, peer }: { ours: string; peer: string },
) {
  const report = compareTimings(name, {
    ours: timingsOf(rounds, "server", ours),
    peer: timingsOf(rounds, "server", peer),
  });
  const peak = Math.max(...figures(rounds, "serverPeakBytes"));
  const peakBytes = Number.isFinite(peak) ? peak : null;
  return { ...report, peakBytes, peerPeakBytes: peakBytes };
}

function figures(rounds: Round[], name: string): number[] {
  return rounds.map(({ server }) => server?.figures[name] ?? NaN);
}
