import { describe, expect, test } from "vitest";
import { RateWindow, SampleWindow } from "../ui/window.ts";

describe("a window of samples", () => {
  test("has nothing to say while it is empty", () => expect(new SampleWindow(4).quantile(0.5)).toBeUndefined());

  test("tells quantiles by nearest rank, whatever the order", () => {
    const window = new SampleWindow(200);
    for (let i = 100; i >= 1; i--) window.add(i);
    expect([0, 0.01, 0.5, 0.99, 1].map((q) => window.quantile(q))).toEqual([1, 1, 50, 99, 100]);
  });

  test("sorts as numbers, signs included", () => {
    const window = new SampleWindow(3);
    for (const v of [-1, 10, 9]) window.add(v);
    expect(window.quantile(0.5)).toBe(9);
    expect(window.quantile(0)).toBe(-1);
  });

  test("forgets the oldest, and all when told to", () => {
    const window = new SampleWindow(3);
    for (const v of [1000, 1, 2, 3]) window.add(v);
    expect(window.count).toBe(3);
    expect(window.quantile(1)).toBe(3);
    window.clear();
    expect(window.quantile(1)).toBeUndefined();
  });
});

describe("a speed", () => {
  test("is 0 until two readings lie apart in time", () => {
    const rates = new RateWindow<"rows">(5);
    expect(rates.perSecond("rows")).toBe(0);
    rates.read(1000, { rows: 5 });
    rates.read(1000, { rows: 9 });
    expect(rates.perSecond("rows")).toBe(0);
  });

  test("spans the readings that it keeps", () => {
    const rates = new RateWindow<"rows">(3);
    [0, 1000, 1010, 1030].forEach((rows, i) => rates.read(i * 500, { rows }));
    expect(rates.perSecond("rows")).toBe(30);
  });

  test("may span less than is kept, and forgets all when told to", () => {
    const rates = new RateWindow<"rows">(10);
    for (let i = 0; i <= 8; i++) rates.read(i * 250, { rows: i * i });
    expect(rates.perSecond("rows")).toBe(32);
    expect(rates.perSecond("rows", 500)).toBe((64 - 36) * 2);
    rates.clear();
    expect(rates.perSecond("rows")).toBe(0);
  });
});
