import { expect, test } from "vitest";
import { Past } from "../dashboard/past.ts";

function points(past: Past, sinceMs: number): [number, number, number][] {
  const out: [number, number, number][] = [];
  past.forEachSince(sinceMs, (t, bid, ask) => out.push([t, bid, ask]));
  return out;
}

test("the minute begins with the price that held when it began", () => {
  const past = new Past();
  for (let t = 0; t <= 5000; t += 1000) past.add(t, 100 + t, 101 + t);
  expect(points(past, 3500)).toEqual([[3000, 3100, 3101], [4000, 4100, 4101], [5000, 5100, 5101]]);
});

test("of points that crowd, the newest stays", () => {
  const past = new Past();
  for (let t = 0; t < 1000; t += 10) past.add(t, t, t + 1);
  const kept = points(past, 0);
  expect(kept.length).toBeLessThan(10);
  expect(kept[kept.length - 1]).toEqual([990, 990, 991]);
});

test("a side that is not there is NaN, and time does not go back", () => {
  const past = new Past();
  past.add(1000, null, 5);
  past.add(900, 4, null);
  expect(points(past, 0)).toEqual([[1000, NaN, 5], [1000, 4, NaN]]);
});

test("the ring keeps more than a minute and no more than it has room for", () => {
  const past = new Past();
  for (let t = 0; t < 600_000; t += 200) past.add(t, t, t);
  const kept = points(past, 0);
  expect(kept.length).toBeLessThanOrEqual(300);
  expect(kept[0]![0]).toBeLessThanOrEqual(600_000 - 59_000);
  expect(points(new Past(), 0)).toEqual([]);
});
