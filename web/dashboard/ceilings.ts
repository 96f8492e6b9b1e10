import { byteRate } from "../ui/format.ts";

/** Ceilings that can be chosen, in bytes of rows a second, from none to the least that servers take. */
export const CEILINGS: readonly number[] = [0, 100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000];

/** As people say it: "20 kB/s". */
export function ceilingLabel(bytesPerSecond: number): string {
  return bytesPerSecond === 0 ? "none" : byteRate(bytesPerSecond).replace(".0", "");
}
