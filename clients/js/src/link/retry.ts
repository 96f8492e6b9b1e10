/** Whether and when to come back after a connection ended. Pure: chance comes in as an argument. */

/** A wait between two bounds, in milliseconds. */
export interface Window {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Waits that the server's table of close codes asks for; other codes ask for none. */
const windows: Readonly<Record<number, Window>> = {
  4001: { minMs: 1000, maxMs: 5000 }, // no progress
  4002: { minMs: 0, maxMs: 500 }, // no pong
  4003: { minMs: 1000, maxMs: 10_000 }, // internal error
  4004: { minMs: 1000, maxMs: 5000 }, // no hello in time
  4005: { minMs: 5000, maxMs: 30_000 }, // overload
  4010: { minMs: 0, maxMs: 1000 }, // token expired
  4011: { minMs: 1000, maxMs: 10_000 }, // access unavailable
  4012: { minMs: 10_000, maxMs: 60_000 }, // too many sessions
};

export const NORMAL_CLOSURE = 1000;

/** 4000 to 4499 may come back, 4500 to 4999 may not; an ordinary end is one. */
export function isTerminal(code: number): boolean {
  return code === NORMAL_CLOSURE || (code >= 4500 && code <= 4999);
}

export function windowOf(code: number): Window | undefined {
  return windows[code];
}

/** The token is no good, or its user was shut out. Another token may do. */
export function isRefusal(code: number): boolean {
  return code === 4510 || code === 4511;
}

/**
 * Milliseconds to wait after `failures` attempts in a row that came to nothing: uniform from 0 to a
 * ceiling that doubles each time ("full jitter"), so that thousands of clients do not come back together.
 * A window that the server asked for is kept, and outlasted only where attempts keep failing.
 */
export function retryDelay(
  failures: number,
  backoff: { baseMs: number; maxMs: number },
  window: Window | undefined,
  random: () => number,
): number {
  const ceiling = Math.min(backoff.maxMs, backoff.baseMs * 2 ** Math.min(failures, 30));
  const jitter = random() * ceiling;
  if (window === undefined) return jitter;
  const asked = window.minMs + random() * Math.max(0, window.maxMs - window.minMs);
  return failures === 0 ? asked : Math.max(asked, jitter);
}
