import { describe, expect, test } from "vitest";
import { compactDecimal } from "../ui/format.ts";
import { groupLabel, groupsFor } from "../dashboard/groups.ts";

describe("groups", () => {
  test("are wider than the step and narrow for the price", () => {
    expect(groupsFor({ priceStep: 1 }, 6183763)).toEqual([2, 5, 10, 20, 50, 100, 200, 500, 1000]);
    expect(groupsFor({ priceStep: 25 }, 534850)).toEqual([50, 100, 200, 500, 1000, 2000, 5000]);
    expect(groupsFor({ priceStep: 0 }, 900)).toEqual([2, 5]);
    expect(groupsFor({ priceStep: 1 }, -6183763)).toHaveLength(9);
    expect(groupsFor({ priceStep: 1 }, null)).toEqual([]);
    expect(groupsFor({ priceStep: 1 }, 50)).toEqual([]);
  });

  test("are multiples of the step, so that no group lies between two prices", () => {
    for (const step of [1, 2, 3, 5, 25, 50, 125]) for (const width of groupsFor({ priceStep: step }, 9_999_999)) expect(width % step).toBe(0);
  });

  test("are read as decimals", () => {
    expect([5, 100, 2500, 100000].map((width) => groupLabel(width, { priceScale: 2 }))).toEqual(["0.05", "1", "25", "1,000"]);
    expect(groupLabel(50, { priceScale: 0 })).toBe("50");
  });
});

test.each([
  ["0.00005", "0.00005"], ["999.5", "999.5"], ["9876.54321", "9,876.543"], ["12345", "12.345k"], ["1234567.89", "1.2345M"],
  ["1298765432.12", "1.2987B"], ["5000000", "5M"], ["-1234567", "−1.2345M"], ["123456789012345678", "123456T"], ["100000", "100k"],
])("%s is short as %s", (text, want) => expect(compactDecimal(text).replace(",", "") === want.replace(",", "") && compactDecimal(text)).toBe(want === "123456T" ? "123,456T" : want));
