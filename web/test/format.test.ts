import { expect, test } from "vitest";
import { age, byteRate, clock, compact, count, duration, group, sharedPrefix, timeOfDay } from "../ui/format.ts";

test.each([
  ["0", "0"], ["999.5", "999.5"], ["1000", "1,000"], ["61837.63", "61,837.63"], ["1234567.00000001", "1,234,567.00000001"],
  ["-1234.5", "−1,234.5"], ["-0.01", "−0.01"], ["100000", "100,000"],
])("%s is grouped as %s, every digit kept", (text, want) => expect(group(text)).toBe(want));

test.each([
  [-500, "0.0s"], [0, "0.0s"], [940, "0.9s"], [9_949, "9.9s"], [9_960, "10s"], [99_400, "99s"], [100_000, "1m"], [5_999_000, "99m"],
  [6_000_000, "1h"], [359_000_000, "99h"], [400_000_000, "4d"],
])("%i ms ago is %s", (ms, want) => expect(age(ms)).toBe(want));

test.each([
  [undefined, "–"], [NaN, "–"], [0, "0.0 ms"], [1.24, "1.2 ms"], [-0.31, "−0.3 ms"], [12.4, "12 ms"], [9_999, "9999 ms"], [12_345, "12 s"],
])("a hop of %s ms reads %s", (ms, want) => expect(duration(ms)).toBe(want));

test.each([
  [0, "0"], [0.04, "0"], [1.24, "1.2"], [9, "9"], [12.3, "12"], [999.4, "999"], [999.6, "1.0k"], [1234, "1.2k"], [45_600, "46k"],
  [999_600, "1.0M"], [7_200_000_000, "7.2G"], [3e12, "3.0T"],
])("%s counts as %s", (n, want) => expect(compact(n)).toBe(want));

test("a time of day is the viewer's, to the millisecond", () => {
  const at = new Date(2026, 10, 23, 7, 5, 9, 42);
  expect(timeOfDay(at.getTime() * 1000 + 999)).toBe("07:05:09.042");
});

test.each([["61,837.63", "61,837.99", 7], ["9.99", "10.00", 0], ["1.0", "1.0", 3], ["", "1", 0]])(
  "from %s to %s the first %i characters stay", (a, b, want) => expect(sharedPrefix(a, b)).toBe(want));

test.each([[0, "0 B/s"], [999, "999 B/s"], [6_540, "6.5 kB/s"], [20_000, "20 kB/s"], [3_100_000, "3.1 MB/s"]])(
  "%d bytes a second read as %s", (n, want) => expect(byteRate(n)).toBe(want));

test("a count agrees with the name of what is counted", () => {
  expect([count(0, "session"), count(1, "session"), count(2, "session"), count(1234, "session")]).toEqual(["0 sessions", "1 session", "2 sessions", "1.2k sessions"]);
});

test("a clock shows whole seconds of the viewer's day", () => {
  expect(clock(new Date(2026, 0, 5, 9, 3, 7, 999).getTime())).toBe("09:03:07");
});
