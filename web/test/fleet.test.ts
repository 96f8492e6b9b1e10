import { expect, test } from "vitest";
import { inOrder, memoryOf, policyOf, stateOf, summary, versions } from "../ops/fleet.ts";
import type { NodeLoad, PolicyNode } from "../ops/types.ts";

const load = (node: string, over: Partial<NodeLoad> = {}): NodeLoad => ({
  node, instance: `I${node}`, version: "1.0", compatible: true, namesake: false, started: "2026-01-01T00:00:00Z", heard: "2026-01-01T01:00:00Z", clock_ms: 0,
  level: "open", refuses: false, draining: false, sessions: 10, frames_per_s: 40, bytes_per_s: 1000, cores: 2, cpu: 0.1, memory_bytes: 100, memory_limit_bytes: 1000,
  interest: "all", instruments: 5, carried: 5, ...over,
});

test("a node's state is one word, and what is wrong with it", () => {
  const said = (over: Partial<NodeLoad>) => {
    const { word, tone, more } = stateOf(load("a", over));
    return `${word} ${tone} ${more.join(", ")}`.trim();
  };
  expect(said({})).toBe("up good");
  expect(said({ draining: true, level: "refusing", refuses: true })).toBe("draining warn");
  expect(said({ level: "refusing", refuses: true })).toBe("refusing warn");
  expect(said({ level: "slowing", refuses: true })).toBe("slowing warn refuses newcomers");
  expect(said({ level: "slowing" })).toBe("slowing warn takes newcomers");
  expect(said({ level: "shedding", refuses: true })).toBe("shedding bad sends sessions away");
  expect(said({ silent: true, level: "refusing" })).toBe("silent bad");
  expect(said({ compatible: false, level: "" })).toBe("another revision warn gets no clients");
  expect(said({ namesake: true, clock_ms: -2400 })).toBe("up warn shares its name, clock −2.4 s");
});

test("nodes are put in order by what is asked for, and this one comes first by name", () => {
  const all = [load("n10", { cpu: 0.9 }), load("n9", { sessions: 99 }), load("n2", { this: true, level: "refusing" })];
  const names = (...by: Parameters<typeof inOrder> extends [unknown, ...infer R] ? R : never) => inOrder(all, ...by).map((n) => n.node).join(" ");
  expect(names("node")).toBe("n2 n9 n10");
  expect(names("node", true)).toBe("n10 n9 n2");
  expect(names("sessions")).toBe("n9 n2 n10");
  expect(names("cpu")).toBe("n10 n2 n9");
  expect(names("state")).toBe("n2 n9 n10");
  expect(all[0]!.node).toBe("n10"); // the list itself stays as it was
});

test("a line sums a fleet up, and a node alone says so", () => {
  expect(summary([load("a")])).toBe("this one alone: no other is heard on its NATS");
  expect(summary([load("a"), load("b", { silent: true })])).toBe("no other is heard · 1 fell silent");
  expect(summary([load("a"), load("b"), load("c", { silent: true, sessions: 500 })])).toBe("2 nodes · 20 sessions · 2.0 kB/s · 1 fell silent");
});

test("silent nodes count for no version, and memory without a limit has no share", () => {
  expect(versions([load("a"), load("b", { version: "1.1" }), load("c", { version: "0.9", silent: true })])).toEqual(["1.0", "1.1"]);
  expect(memoryOf(load("a"))).toBe(0.1);
  expect(memoryOf(load("a", { memory_limit_bytes: 0 }))).toBeUndefined();
});

test("a node's policy is a revision or a word, and one that is not this node's stands out", () => {
  const said = (over: Partial<NodeLoad>, told: Partial<PolicyNode> | undefined, revision: number) => {
    const { word, off } = policyOf(load("a", over), told && { node: "a", revision: 0, state: "applied", time: "", ...told }, revision);
    return off ? `${word}!` : word;
  };
  expect(said({}, { revision: 41 }, 41)).toBe("41");
  expect(said({}, { revision: 40 }, 41)).toBe("40!");
  expect(said({}, { revision: 40, state: "refused", error: "line 3" }, 40)).toBe("40 refused!");
  expect(said({}, { revision: 0, state: "refused", error: "line 3" }, 0)).toBe("built-in refused!");
  expect(said({}, { revision: 0 }, 0)).toBe("built-in");
  expect(said({ policy: "built-in" }, undefined, 0)).toBe("built-in");
  expect(said({ policy: "built-in" }, undefined, 41)).toBe("built-in!");
  expect(said({ policy: "file" }, undefined, 0)).toBe("of a file");
  expect(said({ policy: "nats" }, undefined, 0)).toBe(""); // it has not told of it yet
  expect(said({}, undefined, 0)).toBe(""); // an older version, which does not say
});
