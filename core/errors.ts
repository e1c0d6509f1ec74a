// Errors that a caller reacts to. Everything else is a TypeError, RangeError or SyntaxError.
// Every message reads "Cannot <action>: <what is right>, got <what was found>", without a full stop.

/** What the user gave cannot be used: shown as one sentence, without a stack trace. Exit code 2. */
export class InputError extends Error {
  override name = "InputError";
}

/** Another process holds the resource (a run folder). Exit code 3. */
export class BusyError extends Error {
  override name = "BusyError";
}

/** A stored file is truncated, altered or of another kind. Exit code 4. */
export class CorruptFileError extends Error {
  override name = "CorruptFileError";
}

/** Training produced a value that is not finite, or went astray. Exit code 5. */
export class DivergedError extends Error {
  override name = "DivergedError";
  /** Settings that keep a run from it, by name; none where no setting would. */
  readonly remedy: Record<string, string | number>;
  /** The step that the run went back to; undefined where it did not. */
  readonly step?: number;
  constructor(
    message: string,
    { remedy = {}, step, ...options }:
      & ErrorOptions
      & Partial<
        Pick<DivergedError, "remedy" | "step">
      > = {},
  ) {
    super(message, options);
    this.remedy = remedy;
    this.step = step;
  }
}

/** A write failed: disk full, no permission. Exit code 6. */
export class StorageError extends Error {
  override name = "StorageError";
}

/** A thread that computes a share of every batch was lost; the run can go on. Exit code 7. */
export class ShardError extends Error {
  override name = "ShardError";
}

/** Nothing of that name exists. Exit code 2. */
export class NotFoundError extends Error {
  override name = "NotFoundError";
}

/** What was asked for does not fit the state of things: a name taken, a job that has ended. Exit code 2. */
export class ConflictError extends Error {
  override name = "ConflictError";
}

/** More is asked for than fits; worth asking again after `retryAfterSeconds`. Exit code 3. */
export class OverloadedError extends Error {
  override name = "OverloadedError";
  readonly retryAfterSeconds: number;
  constructor(message: string, { retryAfterSeconds = 1 }: { retryAfterSeconds?: number } = {}) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
