import type { Listening, Stop } from './types.js';

// Old engines have no Symbol.dispose; `using` does not exist there either, and the method does no harm.
export const dispose: typeof Symbol.dispose = Symbol.dispose ?? (Symbol.for('Symbol.dispose') as typeof Symbol.dispose);

/**
 * Listeners of one event. One that throws harms neither the client nor the others: what it threw goes to
 * `failed`. Ones added or removed during a call take effect with the next.
 */
export class Listeners<E> {
  #entries: ReadonlyArray<{ fn(e: E): void; stop: Stop }> = [];
  readonly #failed: (thrown: unknown) => void;

  constructor(failed: (thrown: unknown) => void) {
    this.#failed = failed;
  }

  get empty(): boolean {
    return this.#entries.length === 0;
  }

  /** A function added twice is called twice, and each stop ends one of the two. */
  add(fn: (e: E) => void, { signal }: Listening = {}): Stop {
    const stop = () => {
      this.#entries = this.#entries.filter((entry) => entry !== own);
      signal?.removeEventListener('abort', stop);
    };
    const own = { fn, stop: Object.assign(stop, { [dispose]: stop }) };
    if (!signal?.aborted) {
      this.#entries = [...this.#entries, own];
      signal?.addEventListener('abort', stop);
    }
    return own.stop;
  }

  emit(e: E): void {
    for (const { fn } of this.#entries) {
      try {
        fn(e);
      } catch (thrown) {
        this.#failed(thrown);
      }
    }
  }

  clear(): void {
    for (const { stop } of this.#entries) stop();
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
