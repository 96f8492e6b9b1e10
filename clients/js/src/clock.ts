import type { Clock } from './types.js';

/** Beyond this the fine clock has slept or the coarse one was set. */
const DRIFT_MS = 50;

/**
 * The wall clock with the fine clock's fractions. performance.now() alone stands still while some
 * machines sleep; Date.now() alone is too coarse to measure a local network.
 */
export function systemClock(): Clock {
  let base = Date.now() - performance.now();
  return {
    now() {
      const fine = performance.now();
      const wall = Date.now();
      if (Math.abs(base + fine - wall) > DRIFT_MS) base = wall - fine;
      return base + fine;
    },
    setTimeout: (fn, ms) => setTimeout(fn, ms),
    clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
  };
}
