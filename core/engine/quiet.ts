// TensorFlow writes start-up notes to standard error before any setting of its log level counts.
// They are not for our users: the stream is pointed elsewhere while the library loads. That once only:
// the stream is the whole process's, and threads that opened the library side by side would put back
// each other's redirection and lose the stream for good.
import { cString, setLibraryVariables } from "./libtensorflow.ts";

const LIBC = {
  dup: { parameters: ["i32"], result: "i32" },
  dup2: { parameters: ["i32", "i32"], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  dlopen: { parameters: ["buffer", "i32"], result: "pointer", optional: true }, // since glibc 2.34
} as const satisfies Deno.ForeignLibraryInterface;

const STDERR = 2;
const WRITE_ONLY = 1;
const RTLD_LAZY = 1;
const RTLD_NOLOAD = 4;

/**
 * Runs `fn`, which loads the library at `path`, with the process's standard error closed to native
 * code; errors are still thrown. Where the library is loaded already it has nothing left to say.
 */
export function quietly<T>(path: string, fn: () => T): T {
  const libc = openLibc();
  if (libc === null) return fn();
  const { dup, dup2, open, close, dlopen } = libc.symbols;
  if (dlopen?.(cString(path), RTLD_LAZY | RTLD_NOLOAD)) {
    libc.close();
    return fn();
  }
  const nowhere = open(cString("/dev/null"), WRITE_ONLY);
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

/**
 * Loads the library at `path` for threads that will open it without the right to open libc, and so
 * could not keep it quiet. It stays loaded.
 */
export function loadQuietly(path: string): void {
  setLibraryVariables();
  quietly(path, () => {
    const libc = openLibc();
    libc?.symbols.dlopen?.(cString(path), RTLD_LAZY);
    libc?.close();
  });
}

function openLibc(): Deno.DynamicLibrary<typeof LIBC> | null {
  try {
    return Deno.dlopen("libc.so.6", LIBC);
  } catch {
    return null; // no glibc: the notes are shown
  }
}
