/**
 * Judges silence by comparing clock readings, never by a timer having fired: hidden pages' timers come a
 * minute late and a sleeping machine's hours late, and neither says anything about the connection.
 */

/** probe: cannot tell, ask the server for a sign of life. lost: give the connection up. */
export type Verdict = 'ok' | 'probe' | 'stalled' | 'lost';

/** A check that comes late this often in a row without a sign of life is believed after all. */
const MAX_PROBES = 3;

export class Liveness {
  /** Milliseconds between checks. */
  readonly intervalMs: number;

  private heardAt: number;
  private checkedAt: number;
  private probes = 0;

  /** heartbeatMs is the longest silence that the server promised; graceMs is borne on top. */
  constructor(
    private readonly heartbeatMs: number,
    private readonly graceMs: number,
    now: number,
  ) {
    this.intervalMs = Math.max(100, heartbeatMs / 2);
    this.heardAt = this.checkedAt = now;
  }

  heard(now: number): void {
    this.heardAt = now;
    this.probes = 0;
  }

  check(now: number): Verdict {
    const late = now - this.checkedAt > this.intervalMs + this.heartbeatMs;
    const back = now < this.checkedAt;
    this.checkedAt = now;
    if (back) this.heardAt = Math.min(this.heardAt, now); // the clock was set
    const silence = now - this.heardAt;
    const stalled = 2 * this.heartbeatMs + this.graceMs;
    if (late && silence > stalled && this.probes < MAX_PROBES) {
      this.probes++;
      this.heardAt = now; // nobody was here to listen: the silence counts from the probe
      return 'probe';
    }
    // An answer to a probe is due at once, so one heartbeat is enough to wait for it.
    if (silence > (this.probes > 0 ? this.heartbeatMs : 3 * this.heartbeatMs) + this.graceMs) return 'lost';
    return silence > stalled ? 'stalled' : 'ok';
  }
}
