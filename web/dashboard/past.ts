/** Points that a chart's minute holds at the most. */
const POINTS = 300;

/** Milliseconds that two points lie apart at least; what comes sooner takes the place of the last. */
const STEP_MS = 200;

/** The last minute of a quote in a ring of fixed size. Prices are scaled integers; NaN where there is none. */
export class Past {
  readonly #time = new Float64Array(POINTS);
  readonly #bid = new Float64Array(POINTS);
  readonly #ask = new Float64Array(POINTS);
  #next = 0;
  #count = 0;

  /** Times must not go back; one that does is taken as the newest time there was. */
  add(timeMs: number, bid: number | null, ask: number | null): void {
    const last = (this.#next + POINTS - 1) % POINTS;
    const before = (this.#next + POINTS - 2) % POINTS;
    const crowded = this.#count > 1 && timeMs - (this.#time[before] ?? 0) < STEP_MS;
    const at = crowded ? last : this.#next;
    this.#time[at] = this.#count > 0 ? Math.max(timeMs, this.#time[last] ?? 0) : timeMs;
    this.#bid[at] = bid ?? NaN;
    this.#ask[at] = ask ?? NaN;
    if (crowded) return;
    this.#next = (this.#next + 1) % POINTS;
    if (this.#count < POINTS) this.#count++;
  }

  /** Oldest first: the points from `sinceMs` on and the one before them, which still held at that time. */
  forEachSince(sinceMs: number, fn: (timeMs: number, bid: number, ask: number) => void): void {
    let skip = 0;
    while (skip < this.#count - 1 && this.#at(this.#time, skip + 1) < sinceMs) skip++;
    for (let i = skip; i < this.#count; i++) fn(this.#at(this.#time, i), this.#at(this.#bid, i), this.#at(this.#ask, i));
  }

  #at(ring: Float64Array, i: number): number {
    return ring[(this.#next + POINTS - this.#count + i) % POINTS] ?? NaN;
  }
}
