// The sessions that commands and routes may start.
export { runBaselines } from "./baselines.ts";
export { baselinesRequest } from "./baselines_request.ts";
export { runBuiltin } from "./builtin.ts";
export { runDoctor } from "./doctor.ts";
export { runExport } from "./export.ts";
export { runComparison, runEvolution } from "./front_comparison.ts";
export { runFront } from "./fronts.ts";
export { estimateReproduction, runReproduction } from "./reproduce/mod.ts";
export { runTraining } from "./training.ts";
