// TensorFlow writes start-up notes to standard error before any setting of its log level counts.
// They are not for our users: the stream is pointed elsewhere while the library loads.

const LIBC = {
  dup: { parameters: ["i32"], result: "i32" },
  dup2: { parameters: ["i32", "i32"], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const STDERR = 2;
const WRITE_ONLY = 1;

/** Runs `fn` with the process's standard error closed to native code; errors are still thrown. */
export function quietly<T>(fn: () => T): T {
  const libc = openLibc();
  if (libc === null) return fn();
  const { dup, dup2, open, close } = libc.symbols;
  const nowhere = open(new TextEncoder().encode("/dev/null\0"), WRITE_ONLY);
  const saved = dup(STDERR);
  dup2(nowhere, STDERR);
  try {
    return fn();
  } finally {
    dup2(saved, STDERR);
    close(saved);
    close(nowhere);
    libc.close();
  }
}

function openLibc(): Deno.DynamicLibrary<typeof LIBC> | null {
  try {
    return Deno.dlopen("libc.so.6", LIBC);
  } catch {
    return null; // no glibc: the notes are shown
  }
}
