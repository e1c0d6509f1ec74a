// How a command ends: which exit code an error has, and the one sentence it is told in.
import {
  BusyError,
  ConflictError,
  CorruptFileError,
  DivergedError,
  InputError,
  NotFoundError,
  OverloadedError,
  ShardError,
  StorageError,
} from "../core/errors.ts";

/** Signals that end a session after it saved, with the exit code of a shell for each. */
export const signalCodes = { SIGINT: 130, SIGTERM: 143 } as const;

const errorCodes: [new (message: string) => Error, number][] = [
  [InputError, 2],
  [NotFoundError, 2],
  [ConflictError, 2],
  [BusyError, 3],
  [OverloadedError, 3],
  [CorruptFileError, 4],
  [DivergedError, 5],
  [StorageError, 6],
  [ShardError, 7],
];

/** The documented exit codes, as `--help` shows them. */
export const exitCodeHelp = `Exit codes:
  0    done
  1    an unexpected error; --debug shows where
  2    a flag, setting or input file that cannot be used
  3    the run folder is held by another process
  4    a damaged file
  5    training diverged: a value that is not finite, or PPO that went astray
  6    a write failed: disk full, no permission
  7    a shard of the training was lost: saved, the same command goes on
  130  stopped by Ctrl-C, checkpoint saved (a second Ctrl-C leaves at once)
  143  stopped by SIGTERM, checkpoint saved`;

/** Stops a session by a signal: the reason its AbortSignal carries. */
export class Interruption extends Error {
  override name = "Interruption";
  constructor(readonly signal: keyof typeof signalCodes) {
    super(`Stopped by ${signal}`);
  }
}

/** The exit code that an error ends the process with. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interruption) return signalCodes[error.signal];
  return errorCodes.find(([kind]) => error instanceof kind)?.[1] ?? 1;
}

/** What is shown of an error: its sentence, or with `debug` its stack and causes too. */
export function describeError(error: unknown, { debug = false } = {}): string {
  if (debug) return Deno.inspect(error);
  if (!(error instanceof Error)) return String(error);
  if (exitCodeOf(error) !== 1) return error.message;
  return `${error.message.split("\n")[0] || error.name} (--debug shows where this comes from)`;
}
