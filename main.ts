// The terminal's way in: parses the command, hands it the environment and the signals, and turns
// an error into one sentence and an exit code. What a command does is in commands/.
import { Command, CommanderError } from "commander";
import { type CommandContext, refuseInOurWords } from "./commands/command.ts";
import { commands } from "./commands/mod.ts";
import { describeError, exitCodeHelp, exitCodeOf } from "./commands/outcome.ts";
import { standardError, standardOutput } from "./commands/output.ts";
import { listenForSignals } from "./commands/signals.ts";
import project from "./deno.json" with { type: "json" };

if (import.meta.main) Deno.exit(await main(Deno.args));

/** Runs the command line and returns the exit code of the process. */
async function main(args: string[]): Promise<number> {
  const signal = listenForSignals();
  const program = new Command("deno task")
    .description("Panacea: one adapter for every preference between several goals")
    .version(project.version)
    .helpCommand(false) // each task answers --help itself
    .addHelpText("after", `\n${exitCodeHelp}`)
    .configureOutput({
      writeOut: standardOutput.write,
      writeErr: standardError.write,
      outputError: () => {}, // told below, in our words
    });
  refuseInOurWords(program);
  const context: CommandContext = { env: Deno.env.get, signal };
  for (const register of Object.values(commands)) register(program, context);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // help was printed
    standardError.write(`${describeError(error, { debug: args.includes("--debug") })}\n`);
    return exitCodeOf(error);
  }
  return signal.aborted && !context.endsBySignal ? exitCodeOf(signal.reason) : 0;
}
