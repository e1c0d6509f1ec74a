// Memory that several holders share: who asks first gets it.

/**
 * Bytes of residuals on the native engine: as many as policy and critic on SmolLM2-135M have over 2048
 * tokens in rows of 256. Without them an update takes a third longer, with the same result.
 */
export const RESIDUAL_BYTES = 2.2e9;

export class ByteBudget {
  #left: number;

  constructor(readonly total: number) {
    this.#left = total;
  }

  get left(): number {
    return this.#left;
  }

  /** Whether there were `bytes` left, which then are the caller's until giveBack(). */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#left += bytes;
  }
}
