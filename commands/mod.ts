// The table of sub-commands: an entry here and a file beside this one make a command.
import type { Command } from "commander";
import type { CommandContext } from "./command.ts";
import { register as baselines } from "./baselines.ts";
import { register as bench } from "./bench.ts";
import { register as builtin } from "./builtin.ts";
import { register as chat } from "./chat.ts";
import { register as data } from "./data.ts";
import { register as doctor } from "./doctor.ts";
import { register as exportAdapter } from "./export.ts";
import { register as front } from "./front.ts";
import { register as reproduce } from "./reproduce.ts";
import { register as serve } from "./serve.ts";
import { register as train } from "./train.ts";

/** Adds one sub-command, its flags and its action to the program. */
export type Register = (program: Command, context: CommandContext) => void;

/** Every sub-command, in the order of the help. */
export const commands: Record<string, Register> = {
  train,
  front,
  baselines,
  reproduce,
  export: exportAdapter,
  chat,
  serve,
  data,
  doctor,
  builtin,
  bench,
};
