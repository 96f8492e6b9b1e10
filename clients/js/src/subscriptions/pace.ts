import { NOTHING, type Step } from './steps.js';
import type { Holder } from './topic.js';
import { fastest } from './wishes.js';
import type { visibilities } from '../wire/request.js';

export type Visibility = keyof typeof visibilities;

/** The server's default until it has told: see Grant with reason default. */
const DEFAULT_CADENCE_MS = 250;

/** How fast all of it is to come: what is wished, and what the server has been told of that. */
export class Pace {
  visibility: Visibility = 'shown';
  /** Bytes of rows a second; 0: none. */
  ceiling = 0;
  /** Rungs by which all is slower than wished. */
  steps = 0;
  defaultCadenceMs = DEFAULT_CADENCE_MS;
  #ladder: readonly number[] = [];

  // Of this connection. undefined: not known, after a refusal.
  #toldVisibility: Visibility | undefined = 'shown';
  #toldCeiling: number | undefined = 0;

  welcomed(cadencesMs: readonly number[]): void {
    if (cadencesMs.length > 0) this.#ladder = cadencesMs;
  }

  down(): void {
    this.#toldVisibility = 'shown';
    this.#toldCeiling = 0;
  }

  /** The cadence to ask for; undefined: the server's default. */
  cadence(holders: Iterable<Holder>): number | undefined {
    const wish = fastest(holders, this.defaultCadenceMs);
    if (this.steps === 0) return wish;
    const asked = wish ?? this.defaultCadenceMs;
    const slower = this.#ladder.filter((rung) => rung > asked);
    return slower[Math.min(this.steps, slower.length) - 1] ?? wish;
  }

  /** What the server has yet to be told. */
  *wanted(): Generator<Step> {
    if (this.visibility !== this.#toldVisibility) {
      const told = this.visibility;
      yield {
        ...NOTHING,
        request: { type: 'setRate', handles: [], visibility: told },
        sent: () => void (this.#toldVisibility = told),
        retry: () => void (this.#toldVisibility = undefined),
      };
    }
    if (this.ceiling !== this.#toldCeiling) {
      const told = this.ceiling;
      yield {
        ...NOTHING,
        request: { type: 'setRate', handles: [], maxBytesPerSecond: told },
        sent: () => void (this.#toldCeiling = told),
        retry: () => void (this.#toldCeiling = undefined),
      };
    }
  }
}
