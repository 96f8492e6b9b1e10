/** The newest samples of one quantity, in a ring of fixed size, and what can be said of them. */
export class SampleWindow {
  readonly #ring: Float64Array;
  readonly #scratch: Float64Array;
  #next = 0;
  #count = 0;

  constructor(size: number) {
    this.#ring = new Float64Array(size);
    this.#scratch = new Float64Array(size);
  }

  get count(): number {
    return this.#count;
  }

  add(value: number): void {
    this.#ring[this.#next] = value;
    this.#next = (this.#next + 1) % this.#ring.length;
    if (this.#count < this.#ring.length) this.#count++;
  }

  clear(): void {
    this.#next = 0;
    this.#count = 0;
  }

  /** The smallest sample that at least the share `q` (0 to 1) does not exceed; undefined while empty. */
  quantile(q: number): number | undefined {
    if (this.#count === 0) return undefined;
    const sorted = this.#scratch.subarray(0, this.#count);
    sorted.set(this.#ring.subarray(0, this.#count));
    sorted.sort();
    return sorted[Math.min(this.#count - 1, Math.max(0, Math.ceil(q * this.#count) - 1))];
  }
}

/** Speeds of counters that only grow, over the last few readings. */
export class RateWindow<K extends string> {
  readonly #readings: { atMs: number; counts: Record<K, number> }[] = [];
  readonly #keep: number;

  /** `keep`: readings that are held; at least 2. */
  constructor(keep: number) {
    this.#keep = keep;
  }

  read(atMs: number, counts: Record<K, number>): void {
    this.#readings.push({ atMs, counts });
    if (this.#readings.length > this.#keep) this.#readings.shift();
  }

  clear(): void {
    this.#readings.length = 0;
  }

  /** Per second, over the readings of the last `spanMs`; 0 until there are two of them at different times. */
  perSecond(key: K, spanMs = Infinity): number {
    const last = this.#readings[this.#readings.length - 1];
    if (last === undefined) return 0;
    const first = this.#readings.find((reading) => reading.atMs >= last.atMs - spanMs)!;
    if (last.atMs <= first.atMs) return 0;
    return Math.max(0, ((last.counts[key] - first.counts[key]) * 1000) / (last.atMs - first.atMs));
  }
}
