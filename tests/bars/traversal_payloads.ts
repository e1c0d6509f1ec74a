// Names that try to lead out of a folder, or to break whatever reads them (bar 3).

/** Names to refuse; `outside` is an absolute path that exists. The symlink is the caller's to make. */
export function traversalPayloads(outside: string): string[] {
  const climbs = ["..", "../..", "../../../../../../etc/passwd", "./..", "a/..", "a/../..", "../a"];
  const encoded = climbs.flatMap((climb) => [
    climb.replaceAll(".", "%2e"),
    climb.replaceAll("/", "%2F").replaceAll("..", "..%2f"),
    climb.replaceAll("/", "\\"),
    climb.replaceAll("/", "%5C").replaceAll("..", "%2E%2E"),
    climb.replaceAll("/", "//").replaceAll("..", "....//"),
  ]);
  const doubled = [
    "%252e%252e",
    "..%252f..%252fetc",
    "%25%32%65%25%32%65",
    "..%c0%af",
    "%c0%ae%c0%ae",
  ];
  const unicode = [
    "\u2024\u2024", // one dot leaders
    "\uff0e\uff0e/etc", // full-width full stops
    "\u2025", // two dot leader
    "..\u2215etc", // division slash
    "..\uff0fetc", // full-width solidus
    "..\u2044etc", // fraction slash
    "\u202e..", // right-to-left override
    "a\u0000", // ends a C string
    "a\u0000/../../etc/passwd",
    "..\u0000",
    "\ufeffa",
    "a\u200b",
    "\ud800", // half a surrogate pair
  ];
  const absolute = [
    outside,
    "/etc/passwd",
    "//etc/passwd",
    "///",
    "/",
    "C:\\Windows\\win.ini",
    "\\\\host\\share",
    "file:///etc/passwd",
    "~",
    "~root",
    "/proc/self/environ",
    "/dev/stdin",
  ];
  const names = [
    "",
    ".",
    "...",
    ".hidden",
    ".jobs.sqlite",
    "a..b",
    "a.",
    "a//b",
    "a/",
    " ",
    " a",
    "a ",
    "a\n",
    "a\r\nX-Injected: 1",
    "a\tb",
    "-rf",
    "--help",
    "$HOME",
    "`id`",
    "$(id)",
    "a;id",
    "a|id",
    "*",
    "a?b",
    "{a,b}",
    "a".repeat(10_240),
    "../".repeat(3_000) + "etc/passwd",
  ];
  return [...climbs, ...encoded, ...doubled, ...unicode, ...absolute, ...names];
}
