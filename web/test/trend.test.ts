import { expect, test } from "vitest";
import { Past } from "../dashboard/past.ts";
import { trendOf } from "../dashboard/trend.ts";

const into = new Float64Array(72);
const values = (count: number) => [...into.subarray(0, count)];

function past(prices: readonly [number | null, number | null][]): Past {
  const out = new Past();
  prices.forEach(([bid, ask], i) => out.add(i * 1000, bid, ask));
  return out;
}

test("without bars, the line is the middle of what was seen of the quote", () => {
  const { of, count } = trendOf([], past([[10, 12], [11, 13], [null, 15], [9, null], [null, null], [8, 10]]), into);
  expect([of, values(count)]).toEqual(["quotes", [11, 12, 15, 9, 9]]);
});

test("nothing seen is no line", () => expect(trendOf([], new Past(), into).count).toBe(0));

test("a long past is thinned out, and ends with the newest", () => {
  const { count } = trendOf([], past(Array.from({ length: 300 }, (_, i) => [i, i])), into);
  expect(count).toBeGreaterThan(30);
  expect(count).toBeLessThanOrEqual(72);
  expect([into[0], into[count - 1]]).toEqual([0, 299]);
});

test("bars make the line as soon as there are enough, the last hour of them", () => {
  const bars = Array.from({ length: 100 }, (_, i) => ({ open: i, close: i + 1 }));
  expect(trendOf(bars.slice(0, 3), past([[1, 1], [2, 2]]), into).of).toBe("quotes");
  const { of, count } = trendOf(bars, new Past(), into);
  expect([of, count, into[0], into[count - 1]]).toEqual(["bars", 61, 40, 100]);
});
