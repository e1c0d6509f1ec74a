// Waiting for what another thread does, without a fixed sleep.

/** Resolves once `condition` holds; throws where it does not within `ms`. */
export async function until(condition: () => boolean, ms: number): Promise<void> {
  const ends = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > ends) throw new Error(`Not within ${ms} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
