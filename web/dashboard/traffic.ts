import type { Client } from "@feedd/client";
import { RateWindow } from "../ui/window.ts";

/** Time that a speed spans at least, so that it can be read. */
const CALM_MS = 2_000;
/** Readings that are kept: two cuts of the slowest cadence, at four readings a second. */
const READINGS = 48;

export interface Counts {
  frames: number;
  bytes: number;
  rows: number;
  conflated: number;
  lost: number;
}

const NOTHING: Counts = { frames: 0, bytes: 0, rows: 0, conflated: 0, lost: 0 };

/**
 * What came over the connection: in all, since the rate was chosen, and per second. A speed spans two cuts at least, and
 * readings of one rate only: until two cuts of a new one were there, the last speed of the old one stands.
 */
export class Traffic {
  readonly #readings = new RateWindow<keyof Counts>(READINGS);
  #total: Counts = NOTHING;
  #chosen: Counts = NOTHING;
  #chosenAtMs = Infinity;
  #perSecond: Counts = NOTHING;

  constructor(private readonly feed: Pick<Client, "traffic">, private cadenceMs: number) {}

  /** Reads the counters; four times a second. */
  read(nowMs: number): void {
    this.#total = { ...this.feed.traffic };
    this.#readings.read(nowMs, this.#total);
    if (nowMs - this.#chosenAtMs < Math.max(1_200, 1.5 * this.cadenceMs)) return;
    const spanMs = Math.max(CALM_MS, 2 * this.cadenceMs + 250);
    const per = (key: keyof Counts) => this.#readings.perSecond(key, spanMs);
    this.#perSecond = { frames: per("frames"), bytes: per("bytes"), rows: per("rows"), conflated: per("conflated"), lost: per("lost") };
  }

  /** Another rate, or a connection that has just told all that it begins with: counts begin anew. Without this nothing is counted. */
  chose(cadenceMs: number, nowMs: number): void {
    this.cadenceMs = cadenceMs;
    this.#chosenAtMs = nowMs;
    this.#total = { ...this.feed.traffic };
    this.#chosen = this.#total;
    this.#readings.clear();
    this.#readings.read(nowMs, this.#total);
  }

  /** Whether a speed can be told yet. */
  get known(): boolean {
    return this.#perSecond !== NOTHING;
  }

  /** Since the page was opened. */
  get total(): Counts {
    return this.#total;
  }

  get perSecond(): Counts {
    return this.#perSecond;
  }

  /** Since the rate was chosen. */
  since(key: keyof Counts): number {
    return this.#total[key] - this.#chosen[key];
  }
}
