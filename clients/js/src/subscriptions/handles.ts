import type { Limits } from './plan.js';
import { NOTHING, type Step } from './steps.js';
import type { Topic } from './topic.js';

/** The handles of a connection: what rows belong to, and what means nothing any more. */
export class Handles {
  readonly #topics = new Map<number, Topic>();
  /** Let go, or never known; either way rows that still come mean nothing. */
  readonly #strays = new Set<number>();
  /** Let go here but not yet there. */
  readonly #leaving = new Set<number>();

  down(): void {
    this.#topics.clear();
    this.#strays.clear();
    this.#leaving.clear();
  }

  get(handle: number): Topic | undefined {
    return this.#topics.get(handle);
  }

  /** Those that are bound now; binding and letting go meanwhile does no harm. */
  topics(): Topic[] {
    return [...this.#topics.values()];
  }

  bind(handle: number, topic: Topic): void {
    this.#topics.set(handle, topic);
  }

  /** Its rows mean nothing from now on, and the server is to be told so. */
  letGo(handle: number): void {
    this.#topics.delete(handle);
    this.#strays.add(handle);
    this.#leaving.add(handle);
  }

  /** The server has let it go by itself. Returns whose it was. */
  replaced(handle: number): Topic | undefined {
    const topic = this.#topics.get(handle);
    this.#topics.delete(handle);
    this.#leaving.delete(handle);
    this.#strays.add(handle);
    return topic;
  }

  /** Tells whether a handle that is bound to nothing is news. */
  stray(handle: number): boolean {
    const news = !this.#strays.has(handle);
    this.#strays.add(handle);
    return news;
  }

  /** What the server has yet to be told. */
  *wanted(limits: Limits): Generator<Step> {
    for (const handles of limits.handleChunks([...this.#leaving])) {
      yield {
        ...NOTHING,
        request: { type: 'unsubscribe', handles },
        sent: () => handles.forEach((h) => this.#leaving.delete(h)),
        retry: () => handles.forEach((h) => this.#topics.has(h) || this.#leaving.add(h)),
      };
    }
  }
}
