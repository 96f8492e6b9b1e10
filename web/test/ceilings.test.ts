import { expect, test } from "vitest";
import { CEILINGS, ceilingLabel } from "../dashboard/ceilings.ts";

test("ceilings begin with none, go down, and end with the least that servers take", () => {
  expect(CEILINGS.slice(1)).toEqual([...CEILINGS.slice(1)].sort((a, b) => b - a));
  expect([CEILINGS[0], CEILINGS.at(-1)]).toEqual([0, 1000]);
});

test.each([[0, "none"], [100_000, "100 kB/s"], [5_000, "5 kB/s"], [1_000, "1 kB/s"]])("%d is said as %s", (n, want) => expect(ceilingLabel(n)).toBe(want));
