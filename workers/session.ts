// The sessions that commands and routes may start.
export { runBuiltin } from "./builtin.ts";
export { runDoctor } from "./doctor.ts";
export { runFront } from "./fronts.ts";
export { runTraining } from "./training.ts";
