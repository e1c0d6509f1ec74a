// What every sub-command shares: --json and --debug, grouped help, and wrong usage refused in our
// words with the nearest name.
import type { Command, CommanderError } from "commander";
import { InputError } from "../core/errors.ts";
import type { SessionOptions } from "../workers/protocol.ts";
import { nearestName } from "./flags.ts";
import { exitCodeHelp } from "./outcome.ts";

/** What a command gets from main.ts, the only reader of the environment and of signals. */
export interface CommandContext extends Pick<SessionOptions, "env" | "signal"> {
  /** Set by a command that a signal ends as it should: exit code 0 then. */
  endsBySignal?: boolean;
}

/** A new sub-command with the flags that all have; the caller adds its own and the action. */
export function declareCommand(
  program: Command,
  name: string,
  { description, notes }: { description: string; notes?: string },
): Command {
  const command = program.command(name).description(description);
  command.option("--json", "print exactly one JSON document on standard output");
  command.option("--debug", "show the stack trace of an error");
  const after = notes === undefined ? exitCodeHelp : `${notes}\n\n${exitCodeHelp}`;
  return refuseInOurWords(command).addHelpText("after", `\n${after}`);
}

/** Makes wrong usage of `command` an InputError; help and version stay commander's. */
export function refuseInOurWords(command: Command): Command {
  return command
    .configureHelp({ optionTerm: (option) => option.flags.replace(/\[(.*)\]/, "<$1>") })
    .exitOverride((error) => {
      throw wrongUsage(command, error);
    });
}

function wrongUsage(command: Command, error: CommanderError): Error {
  const cannot = `Cannot run ${command.name()}`;
  switch (error.code) {
    case "commander.unknownOption": {
      const wrong = command.args.find((arg) => arg.startsWith("-")) ?? "";
      const flag = wrong.split("=")[0] ?? wrong;
      const known = command.createHelp().visibleOptions(command).map(({ long }) => long ?? "");
      return new InputError(
        `${cannot}: expected a known flag, got ${flag} (nearest: ${nearestName(flag, known)})`,
      );
    }
    case "commander.unknownCommand": {
      const wrong = command.args[0] ?? "";
      const known = command.commands.map((sub) => sub.name());
      return new InputError(
        `${cannot}: expected one of ${known.join(", ")}, got ${wrong} ` +
          `(nearest: ${nearestName(wrong, known)})`,
      );
    }
    case "commander.excessArguments": {
      const most = command.registeredArguments.length;
      return new InputError(
        `${cannot}: expected ${
          most === 0 ? "flags only" : `at most ${most} argument beside flags`
        }, ` +
          `got ${command.args.join(" ")}`,
      );
    }
    default:
      return error;
  }
}
