/**
 * Judges silence by comparing clock readings, never by a timer having fired: hidden pages' timers come a
 * minute late and a sleeping machine's hours late, and neither says anything about the connection.
 */

/** probe: cannot tell, ask the server for a sign of life. lost: give the connection up. */
export type Verdict = 'ok' | 'probe' | 'stalled' | 'lost';

/** A check that comes late this often in a row without a sign of life is believed after all. */
const MAX_PROBES = 3;

export class Liveness {
  readonly #heartbeatMs: number;
  readonly #graceMs: number;
  #heardAt: number;
  #checkedAt: number;
  #probes = 0;
  /** When the oldest ping was sent that nothing came back for. */
  #askedAt: number | undefined;

  /** heartbeatMs is the longest silence that the server promised; graceMs is borne on top. */
  constructor(heartbeatMs: number, graceMs: number, now: number) {
    this.#heartbeatMs = heartbeatMs;
    this.#graceMs = graceMs;
    this.#heardAt = this.#checkedAt = now;
  }

  /** Milliseconds to the next check. */
  get intervalMs(): number {
    return this.#probes > 0 ? Math.min(this.#usualMs, this.#graceMs + 1) : this.#usualMs;
  }

  heard(now: number): void {
    this.#heardAt = now;
    this.#probes = 0;
  }

  asked(now: number): void {
    this.#askedAt ??= now;
  }

  answered(): void {
    this.#askedAt = undefined;
  }

  /** Something happened that may have cut the connection: the silence counts from here, and is borne for less long. */
  probe(now: number): void {
    this.#probes++;
    this.#heardAt = now;
    this.#askedAt = undefined;
  }

  check(now: number): Verdict {
    const late = now - this.#checkedAt > this.#usualMs + this.#heartbeatMs;
    const back = now < this.#checkedAt;
    this.#checkedAt = now;
    if (back) {
      // The clock was set.
      this.#heardAt = Math.min(this.#heardAt, now);
      this.#askedAt = undefined;
    }
    const silence = now - this.#heardAt;
    const stalled = 2 * this.#heartbeatMs + this.#graceMs;
    if (late && silence > stalled && this.#probes < MAX_PROBES) {
      this.probe(now); // nobody was here to listen
      return 'probe';
    }
    // An answer to a probe is due at once, so one heartbeat is enough to wait for it.
    const asked = this.#probes > 0;
    if (silence > (asked ? this.#heartbeatMs : 3 * this.#heartbeatMs) + this.#graceMs) return 'lost';
    // Heartbeats alone are no sign of life: what answers nothing is lost as well.
    if (this.#askedAt !== undefined && now - this.#askedAt > 3 * this.#heartbeatMs + this.#graceMs) {
      if (late) this.#askedAt = undefined;
      else return 'lost';
    }
    return silence > (asked ? this.#graceMs : stalled) ? 'stalled' : 'ok';
  }

  get #usualMs(): number {
    return Math.max(100, this.#heartbeatMs / 2);
  }
}
