/** How wishes become requests that the server's limits allow. */

import type { WireLimits } from '../wire/frame.js';

/** Assumed where the server names no limit. */
const DEFAULTS = { clientFrameBytes: 4096, symbolsPerRequest: 100, requestsPerSecond: 10 };
/** Bytes of a request beside its symbols or handles. */
const OVERHEAD = 64;
const HANDLE_BYTES = 5;

/** Bytes that a symbol takes in a request, at most: three for each UTF-16 unit, and the position to resume behind. */
export function symbolBytes(symbol: string, resumes: boolean): number {
  const text = 3 * symbol.length + 4;
  return resumes ? 2 * text + 40 : text;
}

export class Limits {
  readonly frameBytes: number;
  readonly symbols: number;
  readonly requestsPerSecond: number;

  constructor(wire: Partial<WireLimits> = {}) {
    this.frameBytes = (wire.clientFrameBytes || DEFAULTS.clientFrameBytes) - OVERHEAD;
    this.symbols = wire.symbolsPerRequest || DEFAULTS.symbolsPerRequest;
    // Half of what is allowed: pings count too, and the server's second may begin elsewhere.
    this.requestsPerSecond = Math.max(1, Math.floor((wire.requestsPerSecond || DEFAULTS.requestsPerSecond) / 2));
  }

  /** Splits items into runs that fit one request each; an item alone always passes. */
  chunks<T>(items: readonly T[], bytes: (item: T) => number): T[][] {
    const chunks: T[][] = [];
    let chunk: T[] = [];
    let size = 0;
    for (const item of items) {
      const more = bytes(item);
      if (chunk.length > 0 && (size + more > this.frameBytes || chunk.length === this.symbols)) {
        chunks.push(chunk);
        chunk = [];
        size = 0;
      }
      chunk.push(item);
      size += more;
    }
    if (chunk.length > 0) chunks.push(chunk);
    return chunks;
  }

  handleChunks<T>(items: readonly T[]): T[][] {
    return this.chunks(items, () => HANDLE_BYTES);
  }
}

/** At most so many requests in any second that begins with one. */
export class Budget {
  #since = 0;
  #used = 0;

  /** Takes one request out, or returns the milliseconds to wait for it. */
  take(perSecond: number, now: number): number {
    const age = now - this.#since;
    if (age >= 1000 || age < 0) {
      this.#since = now;
      this.#used = 0;
    }
    if (this.#used >= perSecond) return 1000 - (now - this.#since);
    this.#used++;
    return 0;
  }
}

export function groupBy<T>(items: Iterable<T>, key: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const k = key(item);
    const group = groups.get(k);
    if (group === undefined) groups.set(k, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}
