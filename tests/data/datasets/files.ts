// Small data files for the tests of the readers.

/** Runs a test with the paths of files written for it; `.gz` files are compressed. */
export async function withFiles(
  files: Record<string, unknown[] | string>,
  run: (paths: Record<string, string>) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const paths: Record<string, string> = {};
    for (const [name, rows] of Object.entries(files)) {
      const text = typeof rows === "string"
        ? rows
        : rows.map((row) => JSON.stringify(row) + "\n").join("");
      paths[name] = `${folder}/${name}`;
      await Deno.writeFile(paths[name], name.endsWith(".gz") ? await gzip(text) : encode(text));
    }
    await run(paths);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A text, gzip-compressed. */
export async function gzip(text: string): Promise<Uint8Array> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
