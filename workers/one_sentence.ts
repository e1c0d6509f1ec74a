// What went wrong as a job's record, an event stream or the log tells it.

/** The first line of an error's message, or its name where it has none. */
export function oneSentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message.split("\n")[0] || error.name;
}
