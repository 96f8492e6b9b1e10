/**
 * Whether this thread keeps up, from how late a timer comes. Slows down soon, since a page that falls behind shows old
 * prices, and speeds up late and later each time, so that a thread at its limit does not go back and forth.
 */

/** Between samples. */
export const SAMPLE_MS = 500;
/** Late by so much, the thread is busy for longer than a person overlooks. */
const BUSY_MS = 150;
const IDLE_MS = 50;
/** Later than this the machine slept, or the page was in a debugger. */
const ASLEEP_MS = 30_000;
/** Of the last RECENT samples that must be busy to slow down. */
const MOST_BUSY = 3;
const RECENT = 5;
/** Idle samples in a row to speed up; doubled whenever that was too early. */
const FIRST_PATIENCE = 20;
const MOST_PATIENCE = 320;
const MOST_STEPS = 4;

export class Pace {
  /** Rungs of the ladder by which everything is slower than wished. */
  steps = 0;
  #busy: boolean[] = [];
  #idle = 0;
  #patience = FIRST_PATIENCE;
  #easedAt = -Infinity;

  /** Takes a sample, and says whether `steps` changed. */
  sample(lateMs: number, now: number): boolean {
    if (lateMs > ASLEEP_MS) return false;
    this.#busy.push(lateMs >= BUSY_MS);
    if (this.#busy.length > RECENT) this.#busy.shift();
    this.#idle = lateMs < IDLE_MS ? this.#idle + 1 : 0;
    if (this.steps < MOST_STEPS && this.#busy.filter(Boolean).length >= MOST_BUSY) {
      if (now - this.#easedAt < 2 * this.#patience * SAMPLE_MS) this.#patience = Math.min(MOST_PATIENCE, 2 * this.#patience);
      this.steps++;
    } else if (this.steps > 0 && this.#idle >= this.#patience) {
      this.steps--;
      this.#easedAt = now;
    } else return false;
    // What was seen at another pace says nothing of this one.
    this.#busy = [];
    this.#idle = 0;
    return true;
  }
}
