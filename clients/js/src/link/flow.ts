/**
 * Whether rows ought to have come. A connection may live and its rows stop, by a fault of the server or of something
 * between; a market may also stand still. Which of the two it is shows when a row is asked for anew: one that is
 * younger than the last that came by itself should have come by itself. A tick may fall into the moment of the question, so
 * it takes two such rows in turn.
 */

/** Silence of rows that is never suspicious. */
const LEAST_MS = 15_000;
/** Times the usual interval between frames with rows. */
const TIMES = 20;
/** A market that stands still is asked less and less often, up to so many times the least. */
const MOST_PATIENCE = 64;
const MOST_REVEALED = 2;

export class Flow {
  #rowsAt: number;
  #meanMs = LEAST_MS / TIMES;
  #cutTimeUs = 0;
  #patience = 1;
  #revealed = 0;
  readonly #jitter: number;

  /** With jitter, from 0 to 1, not all clients of a market that closes ask together. */
  constructor(now: number, jitter: number) {
    this.#rowsAt = now;
    this.#jitter = jitter;
  }

  /** A frame with rows came by itself. */
  rows(now: number, cutTimeUs: number): void {
    this.#meanMs += (Math.min(now - this.#rowsAt, LEAST_MS) - this.#meanMs) / 16;
    this.#rowsAt = now;
    this.#cutTimeUs = Math.max(this.#cutTimeUs, cutTimeUs);
    this.#patience = 1;
    this.#revealed = 0;
  }

  overdue(now: number): boolean {
    return this.#cutTimeUs > 0 && now - this.#rowsAt > Math.max(LEAST_MS, TIMES * this.#meanMs) * this.#patience * (1 + this.#jitter);
  }

  /** A row is being asked for. */
  asked(now: number): void {
    this.#rowsAt = now;
    this.#patience = Math.min(MOST_PATIENCE, 2 * this.#patience);
  }

  /** The row that was asked for is there. Says whether rows are held back. */
  answered(ingestTimeUs: number, cutTimeUs: number): boolean {
    if (ingestTimeUs <= this.#cutTimeUs) return false;
    this.#cutTimeUs = cutTimeUs;
    this.#patience = 1;
    return ++this.#revealed >= MOST_REVEALED;
  }
}
