/** Cadences that the server grants, fastest first, in milliseconds; 0 is at once. */
export const LADDER_MS: readonly number[] = [0, 20, 50, 100, 250, 500, 1000, 2000, 5000];

export const DEFAULT_CADENCE_MS = 100;

/** A cadence as people say it: "live", "250 ms", "2 s". */
export function cadenceLabel(ms: number): string {
  if (ms === 0) return "live";
  return ms < 1000 ? `${ms} ms` : `${ms / 1000} s`;
}

/** The slowest step of the ladder that is not slower than the wish; the fastest step there is for smaller ones. */
export function nearestCadence(ms: number): number {
  let found = LADDER_MS[0] ?? 0;
  for (const step of LADDER_MS) if (step <= ms) found = step;
  return found;
}
