/** Lengths of bars that can be chosen, in seconds; 0 is the last minute of quotes and trades. */
export const INTERVALS: readonly number[] = [0, 1, 60, 300, 900, 3600, 86_400];

/** A second, so that somebody who has just started feedd sees candles move rather than wait for them. */
export const DEFAULT_INTERVAL = 1;

const LABELS: Record<number, string> = { 0: "Tick", 1: "1s", 60: "1m", 300: "5m", 900: "15m", 3600: "1h", 86_400: "1D" };

/** An interval in as few characters as traders use. */
export function intervalLabel(seconds: number): string {
  return LABELS[seconds] ?? `${seconds}s`;
}
