/**
 * A for-await loop over batches. It holds no queue of its own: what waits for it is whatever `take` gives,
 * which its store bounds.
 */
export class Batches<B> implements AsyncIterator<B> {
  #waiting: Array<(r: IteratorResult<B>) => void> = [];
  #done = false;
  readonly #take: () => B | undefined;
  readonly #ended: () => void;

  /** take returns what has come together, or undefined; ended is called once. */
  constructor(take: () => B | undefined, ended: () => void) {
    this.#take = take;
    this.#ended = ended;
  }

  next(): Promise<IteratorResult<B>> {
    const value = this.#take();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#done) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<B>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Something may be there to take. */
  wake(): void {
    while (this.#waiting.length > 0) {
      const value = this.#take();
      if (value === undefined) return;
      this.#waiting.shift()!({ done: false, value });
    }
  }

  /** The loop gets what is left to take, and ends. */
  end(): void {
    if (this.#done) return;
    this.#done = true;
    for (const resolve of this.#waiting.splice(0)) resolve({ done: true, value: undefined });
    this.#ended();
  }
}
