import { expect, test } from "vitest";
import { Traffic } from "../dashboard/traffic.ts";

/** A connection that brings `rows` rows with `merged` more ticks in them in each frame. */
function connection() {
  const traffic = { frames: 0, bytes: 0, rows: 0, conflated: 0, lost: 0, mismatches: 0 };
  return {
    traffic,
    frame(rows: number, merged: number): void {
      traffic.frames++;
      traffic.rows += rows;
      traffic.conflated += merged;
      traffic.bytes += 14 * rows;
    },
  };
}

test("a speed spans two cuts of a slow rate, so that it does not come in bursts", () => {
  const feed = connection();
  const traffic = new Traffic(feed, 5000);
  const seen: number[] = [];
  traffic.chose(5000, 0);
  for (let atMs = 0; atMs <= 60_000; atMs += 250) {
    if (atMs % 5000 === 0) feed.frame(10, 90);
    traffic.read(atMs);
    if (atMs >= 20_000) seen.push(traffic.perSecond.rows);
  }
  expect(Math.min(...seen)).toBeGreaterThan(1.9);
  expect(Math.max(...seen)).toBeLessThan(3);
});

test("counts begin anew with another rate, and the last speed stands until the new one can be told", () => {
  const feed = connection();
  const traffic = new Traffic(feed, 100);
  traffic.read(0);
  expect(traffic.perSecond.rows).toBe(0); // nothing is counted before the connection has told what it begins with
  traffic.chose(100, 0);
  for (let atMs = 0; atMs <= 4000; atMs += 250) {
    feed.frame(25, 25);
    traffic.read(atMs);
  }
  expect(traffic.perSecond).toMatchObject({ rows: 100, conflated: 100, bytes: 1400 });
  traffic.chose(1000, 4000);
  traffic.read(4250);
  traffic.read(5250);
  expect(traffic.perSecond.rows).toBe(100);
  feed.frame(25, 175);
  traffic.read(5500);
  expect([traffic.since("rows"), traffic.since("conflated"), traffic.total.rows]).toEqual([25, 175, 450]);
  expect(traffic.perSecond.rows).toBeLessThan(20);
});
