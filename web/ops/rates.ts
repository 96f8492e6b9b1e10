/** What counters that only grow come to a second, from one look to the next. */
export class Rates {
  readonly #before = new Map<string, number>();
  #at = 0;
  #now = 0;

  /** A new look, at a time in milliseconds. */
  look(at: number): void {
    this.#at = this.#now;
    this.#now = at;
  }

  /** The rate of a counter since the last look; undefined at the first, and when it began anew. */
  of(name: string, count: number): number | undefined {
    const before = this.#before.get(name);
    this.#before.set(name, count);
    const seconds = (this.#now - this.#at) / 1000;
    if (before === undefined || this.#at === 0 || seconds <= 0 || count < before) return undefined;
    return (count - before) / seconds;
  }
}
