import { expect, test } from "vitest";
import { diff, hunks } from "../ops/diff.ts";
import { Rates } from "../ops/rates.ts";
import { standing } from "../ops/standing.ts";
import { stopsIn } from "../ops/stops.ts";

const marks = { same: " ", added: "+", removed: "-" };
const shown = (lines: ReturnType<typeof diff>) => lines.map((l) => marks[l.kind] + l.text);

test("a diff says what goes and what comes, and keeps what stays", () => {
  expect(shown(diff("a\nb\nc", "a\nx\nc"))).toEqual([" a", "-b", "+x", " c"]);
  expect(shown(diff("", "a"))).toEqual(["-", "+a"]);
  expect(shown(diff("a\nb", "a\nb"))).toEqual([" a", " b"]);
  expect(shown(diff("a\nb\nc\nd", "b\nd\ne"))).toEqual(["-a", " b", "-c", " d", "+e"]);
});

test("hunks leave out what is far from a change", () => {
  const before = ["1", "2", "3", "4", "5", "6", "7", "8", "9"].join("\n");
  expect(shown(hunks(diff(before, before.replace("5", "five")), 1))).toEqual([" 4", "-5", "+five", " 6"]);
  expect(shown(hunks(diff(before, before.replace("2", "two").replace("8", "eight")), 1))).toEqual([" 1", "-2", "+two", " 3", " …", " 7", "-8", "+eight", " 9"]);
});

test("rates need two looks, and a counter that begins anew has none", () => {
  const rates = new Rates();
  rates.look(1000);
  expect(rates.of("frames", 500)).toBeUndefined();
  rates.look(3000);
  expect(rates.of("frames", 900)).toBe(200);
  rates.look(4000);
  expect(rates.of("frames", 10)).toBeUndefined();
});

test("stops are found in a policy by name", () => {
  expect(stopsIn("tiers:\n  default: {}\nrules:\n  - name: majors\n    symbols: [a]\nstops:\n  - name: luna  # why\n    symbols: [x]\n  - symbols: [y]\n    name: \"two words\"\n")).toEqual(["luna", "two words"]);
  expect(stopsIn("tiers:\n  default: {}\n")).toEqual([]);
});

test("a node stands as its worst does: itself, its NATS, what it hears there", () => {
  const source = (quality: string) => ({ name: quality, stream: "open", quality });
  const node = (...qualities: string[]) => ({ draining: false, nats_connected: true, sources: qualities.map(source) });
  expect(standing(node("ok", "ok"))).toEqual(["good", "Serving"]);
  expect(standing(node())).toEqual(["good", "Serving"]);
  expect(standing(node("ok", "suspect"))).toEqual(["warn", "1 of 2 sources suspect"]);
  expect(standing(node("suspect", "suspect"))).toEqual(["warn", "Feed suspect"]);
  expect(standing({ ...node("suspect"), nats_connected: false })).toEqual(["bad", "NATS is away"]);
  expect(standing({ ...node("suspect"), draining: true })).toEqual(["warn", "Draining"]);
});
