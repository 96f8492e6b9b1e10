import { expect, test } from "vitest";
import { Flashes } from "../ui/flash.ts";

function cell() {
  const names = new Set<string>();
  let writes = 0;
  return {
    names,
    writes: () => writes,
    classList: { add: (n: string) => { writes++; names.add(n); }, remove: (n: string) => { writes++; names.delete(n); } },
  };
}

test("a flash burns for its time and goes out", () => {
  const flashes = new Flashes(300, 10);
  const bid = cell();
  flashes.set(bid, "up", 1000);
  expect(flashes.expire(1299)).toBe(1300);
  expect([...bid.names]).toEqual(["up"]);
  expect(flashes.expire(1300)).toBeUndefined();
  expect(bid.names.size).toBe(0);
});

test("a second move keeps it burning without touching the cell", () => {
  const flashes = new Flashes(300, 10);
  const bid = cell();
  flashes.set(bid, "up", 1000);
  flashes.set(bid, "up", 1200);
  expect(bid.writes()).toBe(1);
  expect(flashes.expire(1300)).toBe(1500);
  expect([...bid.names]).toEqual(["up"]);
  flashes.expire(1500);
  expect(bid.names.size).toBe(0);
});

test("a move the other way takes its place", () => {
  const flashes = new Flashes(300, 10);
  const bid = cell();
  flashes.set(bid, "up", 1000);
  flashes.set(bid, "down", 1100);
  expect([...bid.names]).toEqual(["down"]);
  flashes.expire(1300);
  expect([...bid.names]).toEqual(["down"]);
  flashes.expire(1400);
  expect(bid.names.size).toBe(0);
});

test("no more burn at one time than can be read; there is room again when some go out", () => {
  const flashes = new Flashes(300, 2);
  const cells = [cell(), cell(), cell()];
  for (const c of cells) flashes.set(c, "up", 0);
  expect(cells.map((c) => c.names.size)).toEqual([1, 1, 0]);
  flashes.set(cells[0]!, "down", 10); // burns already
  expect([...cells[0]!.names]).toEqual(["down"]);
  flashes.expire(305);
  flashes.set(cells[2]!, "up", 305);
  expect(cells.map((c) => c.names.size)).toEqual([1, 0, 1]);
});

test("what burns is bounded however fast one cell moves", () => {
  const flashes = new Flashes(300, 2);
  const bid = cell();
  for (let at = 0; at < 100_000; at += 16) {
    flashes.set(bid, at % 32 === 0 ? "up" : "down", at);
    flashes.expire(at);
  }
  expect(bid.names.size).toBe(1);
  expect(flashes.expire(200_000)).toBeUndefined();
});
