import { describe, expect, test } from "vitest";
import { Latency, OffsetFloor, type Passage } from "../dashboard/latency.ts";

const passage: Passage = { exchangeMs: 1000, ingestMs: 1004, cutMs: 1010, receivedMs: 1013, screenMs: 1020 };

test("each hop is measured, and the ways are their sums", () => {
  const latency = new Latency();
  expect(latency.record(passage, 100)).toBe(true);
  expect(["transit", "hold", "wire", "paint", "feed", "whole"].map((hop) => latency.quantile(hop as "feed", 0.5))).toEqual([4, 6, 3, 7, 16, 20]);
});

test("a row of a resting instrument says nothing of the way", () => {
  const latency = new Latency();
  expect(latency.record({ ...passage, ingestMs: passage.cutMs - 60_000 }, 100)).toBe(false);
  expect(latency.quantile("feed", 0.5)).toBeUndefined();
  expect(latency.record({ ...passage, ingestMs: passage.cutMs - 4_900 }, 5000)).toBe(true);
});

test.each([["has no time", null], ["replays a recording", -1e12], ["has a clock ahead by an hour", 4_000_000]])(
  "a venue that %s leaves its own hop out", (_, exchangeMs) => {
    const latency = new Latency();
    expect(latency.record({ ...passage, exchangeMs }, 100)).toBe(true);
    expect(latency.quantile("feed", 0.5)).toBe(16);
    expect(latency.quantile("transit", 0.5)).toBeUndefined();
    expect(latency.quantile("whole", 0.5)).toBeUndefined();
  });

test("another pace starts over", () => {
  const latency = new Latency();
  latency.record(passage, 100);
  latency.clear();
  expect(latency.quantile("feed", 0.99)).toBeUndefined();
});

describe("what the server's clock is ahead", () => {
  test("is as pings say, but never so little that a row would arrive before it was cut", () => {
    const floor = new OffsetFloor();
    expect(floor.atLeast(20)).toBe(20);
    floor.arrived(1000, 970); // 30 ms ahead at least
    expect([floor.atLeast(20), floor.atLeast(40)]).toEqual([30, 40]);
    floor.arrived(2000, 1995);
    expect(floor.atLeast(20)).toBe(30);
  });

  test("is forgotten after a while, since clocks drift", () => {
    const floor = new OffsetFloor();
    floor.arrived(1000, 970);
    for (let ms = 2000; ms <= 62_000; ms += 1000) floor.arrived(ms, ms);
    expect(floor.atLeast(-10)).toBe(30);
    for (let ms = 63_000; ms <= 130_000; ms += 1000) floor.arrived(ms, ms);
    expect(floor.atLeast(-10)).toBe(0);
    floor.arrived(1_000_000, 1_000_005);
    expect(floor.atLeast(-10)).toBe(-5);
  });
});
