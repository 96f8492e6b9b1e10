/**
 * Listeners of one event. One that throws harms neither the client nor the others: what it threw goes to
 * `failed`. Ones added or removed during a call take effect with the next.
 */
export class Listeners<E> {
  private fns: ReadonlyArray<(e: E) => void> = [];

  constructor(private readonly failed: (thrown: unknown) => void) {}

  get empty(): boolean {
    return this.fns.length === 0;
  }

  add(fn: (e: E) => void): () => void {
    // Wrapped, so that a function added twice is called twice and each removal ends one of the two.
    const own = (e: E) => fn(e);
    this.fns = [...this.fns, own];
    return () => {
      this.fns = this.fns.filter((other) => other !== own);
    };
  }

  emit(e: E): void {
    for (const fn of this.fns) {
      try {
        fn(e);
      } catch (thrown) {
        this.failed(thrown);
      }
    }
  }

  clear(): void {
    this.fns = [];
  }
}

/** Tells the environment of an error that nobody else could take, without disturbing the caller. */
export function reportGlobally(thrown: unknown): void {
  if (typeof globalThis.reportError === 'function') globalThis.reportError(thrown);
  else {
    queueMicrotask(() => {
      throw thrown;
    });
  }
}
