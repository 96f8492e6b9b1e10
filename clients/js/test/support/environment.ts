import type { Environment, EnvironmentChange } from '../../src/index.js';

/** A page that does what tests tell it. */
export class FakeEnvironment implements Environment {
  hidden = false;
  readonly #listeners = new Set<(change: EnvironmentChange) => void>();

  listen(fn: (change: EnvironmentChange) => void): () => void {
    this.#listeners.add(fn);
    return () => void this.#listeners.delete(fn);
  }

  get listening(): number {
    return this.#listeners.size;
  }

  tell(change: EnvironmentChange): void {
    for (const fn of [...this.#listeners]) fn(change);
  }

  hide(hidden: boolean): void {
    this.hidden = hidden;
    this.tell('visibility');
  }
}
