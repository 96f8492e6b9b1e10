import { SampleWindow } from "../ui/window.ts";

/** Hops of a tick's way, in order, and the ways that they add up to. */
const HOPS = ["transit", "hold", "wire", "paint", "feed", "whole"] as const;
export type Hop = (typeof HOPS)[number];

/** When a row passed each point, all on the server's clock, in milliseconds since the Unix epoch. */
export interface Passage {
  /** The venue's own time; null where it gives none. */
  exchangeMs: number | null;
  ingestMs: number;
  cutMs: number;
  receivedMs: number;
  screenMs: number;
}

/** A venue's clock that is further off than this says nothing of latency: a recording is being replayed. */
const PLAUSIBLE_TRANSIT_MS = 60_000;

/**
 * Beyond the cadence, the age at which a row tells of an instrument that rests rather than of the way
 * here: first rows carry the last tick, however old.
 */
const RESTING_MS = 1_000;

/** Time for which what an arrival showed of the clocks is held, twice over. They drift by some milliseconds in it, at worst. */
const HELD_MS = 60_000;

/**
 * What the server's clock is ahead of this one's, at least: nothing arrives before it was sent. Pings tell it to within half
 * their round trip, which on a busy machine is far more than the way itself takes.
 */
export class OffsetFloor {
  #sinceMs = -Infinity;
  #ms = -Infinity;
  #beforeMs = -Infinity;

  /** What was cut at `cutMs` on the server's clock arrived at `receivedMs` on this one's. */
  arrived(cutMs: number, receivedMs: number): void {
    if (receivedMs - this.#sinceMs > HELD_MS || receivedMs < this.#sinceMs) {
      this.#beforeMs = receivedMs - this.#sinceMs > 2 * HELD_MS ? -Infinity : this.#ms;
      this.#ms = -Infinity;
      this.#sinceMs = receivedMs;
    }
    this.#ms = Math.max(this.#ms, cutMs - receivedMs);
  }

  /** The estimate, or what it must be at least. */
  atLeast(estimateMs: number): number {
    return Math.max(estimateMs, this.#ms, this.#beforeMs);
  }
}

/** Latency of the rows that reached the screen, hop by hop, over the newest samples. */
export class Latency {
  readonly #hops: Record<Hop, SampleWindow>;

  constructor(samples = 1024) {
    const window = () => new SampleWindow(samples);
    this.#hops = { transit: window(), hold: window(), wire: window(), paint: window(), feed: window(), whole: window() };
  }

  /** Returns whether the row counted. */
  record(at: Passage, cadenceMs: number): boolean {
    const hold = at.cutMs - at.ingestMs;
    if (hold > 2 * cadenceMs + RESTING_MS) return false;
    this.#hops.hold.add(hold);
    this.#hops.wire.add(at.receivedMs - at.cutMs);
    this.#hops.paint.add(at.screenMs - at.receivedMs);
    this.#hops.feed.add(at.screenMs - at.ingestMs);
    if (at.exchangeMs === null) return true;
    const transit = at.ingestMs - at.exchangeMs;
    if (Math.abs(transit) > PLAUSIBLE_TRANSIT_MS) return true;
    this.#hops.transit.add(transit);
    this.#hops.whole.add(at.screenMs - at.exchangeMs);
    return true;
  }

  quantile(hop: Hop, q: number): number | undefined {
    return this.#hops[hop].quantile(q);
  }

  /** Forgets all samples: what was measured belongs to a connection or a pace that is gone. */
  clear(): void {
    for (const hop of HOPS) this.#hops[hop].clear();
  }
}
