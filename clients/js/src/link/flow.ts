/**
 * Whether rows ought to have come. A connection may live and its rows stop, by a fault of the server or of something
 * between; a market may also stand still. Which of the two it is shows when a row is asked for anew: one that is
 * younger than the last that came by itself, and was there long before the question, should have come by itself.
 */

/** Silence of rows that is never suspicious. */
const LEAST_MS = 15_000;
/** Times the usual interval between frames with rows. */
const TIMES = 20;
/** A market that stands still is asked less and less often, up to so many times the least. */
const MOST_PATIENCE = 64;
/** What was there for less long than this may be waiting for the slowest cadence, 5 s. */
const SLACK_US = 6_000_000;

export class Flow {
  #rowsAt: number;
  #meanMs = LEAST_MS / TIMES;
  #cutTimeUs = 0;
  #askedUs = 0;
  #patience = 1;
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
  }

  overdue(now: number): boolean {
    return this.#cutTimeUs > 0 && now - this.#rowsAt > Math.max(LEAST_MS, TIMES * this.#meanMs) * this.#patience * (1 + this.#jitter);
  }

  /** A row is being asked for. */
  asked(now: number, serverTimeUs: number): void {
    this.#rowsAt = now;
    this.#askedUs = serverTimeUs;
    this.#patience = Math.min(MOST_PATIENCE, 2 * this.#patience);
  }

  /** Whether the row that was asked for shows that it was held back. */
  betrayed(ingestTimeUs: number): boolean {
    return ingestTimeUs > this.#cutTimeUs && ingestTimeUs < this.#askedUs - SLACK_US;
  }
}
