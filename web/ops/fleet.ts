import { make, setAttribute } from "../ui/dom.ts";
import { age, byteRate, compact, count } from "../ui/format.ts";
import { bar, fill, type Row } from "./rows.ts";
import type { NodeLoad, PolicyNode } from "./types.ts";

/** From where on a difference of clocks is worth a word, in milliseconds. */
const CLOCK_OFF_MS = 1000;

export interface State {
  word: string;
  tone: "good" | "warn" | "bad" | "soft";
  /** What else is to be said of the node. */
  more: string[];
}

/** What a node is up to, in a word, and what is wrong with it. */
export function stateOf(n: NodeLoad): State {
  const more: string[] = [];
  if (n.namesake) more.push("shares its name");
  if (Math.abs(n.clock_ms) > CLOCK_OFF_MS) more.push(`clock ${n.clock_ms > 0 ? "+" : "−"}${(Math.abs(n.clock_ms) / 1000).toFixed(1)} s`);
  if (n.silent === true) return { word: "silent", tone: "bad", more };
  if (!n.compatible) return { word: "another revision", tone: "warn", more: [...more, "gets no clients"] };
  if (n.draining) return { word: "draining", tone: "warn", more };
  switch (n.level) {
    case "open":
      return { word: "up", tone: more.length === 0 ? "good" : "warn", more };
    case "shedding":
      return { word: "shedding", tone: "bad", more: [...more, "sends sessions away"] };
    default:
      return { word: n.level, tone: "warn", more: n.level === "slowing" ? [...more, n.refuses ? "refuses newcomers" : "takes newcomers"] : more };
  }
}

/** Shares of what there is, from 0 to 1; undefined where nobody knows. */
export const memoryOf = (n: NodeLoad): number | undefined => (n.memory_limit_bytes > 0 ? n.memory_bytes / n.memory_limit_bytes : undefined);

/** The columns by which nodes are put in order, the most first but for texts. */
const ORDERS = {
  node: (a: NodeLoad, b: NodeLoad) => a.node.localeCompare(b.node, undefined, { numeric: true }),
  state: (a, b) => worst(b) - worst(a),
  sessions: (a, b) => b.sessions - a.sessions,
  egress: (a, b) => b.bytes_per_s - a.bytes_per_s,
  cpu: (a, b) => b.cpu - a.cpu,
  memory: (a, b) => (memoryOf(b) ?? b.memory_bytes / 1e15) - (memoryOf(a) ?? a.memory_bytes / 1e15),
  instruments: (a, b) => b.carried - a.carried,
  version: (a, b) => a.version.localeCompare(b.version, undefined, { numeric: true }),
  heard: (a, b) => Date.parse(a.heard) - Date.parse(b.heard),
} satisfies Record<string, (a: NodeLoad, b: NodeLoad) => number>;

export type Order = keyof typeof ORDERS;

const worst = (n: NodeLoad) => ["good", "soft", "warn", "bad"].indexOf(stateOf(n).tone);

/** Nodes in an order. By name, the one that answers comes first. */
export function inOrder(loads: readonly NodeLoad[], by: Order, reversed = false): NodeLoad[] {
  const turn = reversed ? -1 : 1;
  return [...loads].sort((a, b) => (by === "node" && !reversed ? Number(b.this ?? false) - Number(a.this ?? false) : 0) || turn * ORDERS[by](a, b) || ORDERS.node(a, b));
}

/** What all nodes come to, in a line. */
export function summary(loads: readonly NodeLoad[]): string {
  const heard = loads.filter((n) => n.silent !== true);
  const silent = loads.length - heard.length;
  const gone = silent === 0 ? [] : [`${silent} fell silent`];
  if (heard.length <= 1) return [silent === 0 ? "this one alone: no other is heard on its NATS" : "no other is heard", ...gone].join(" · ");
  const sum = (of: (n: NodeLoad) => number) => heard.reduce((total, n) => total + of(n), 0);
  return [`${heard.length} nodes`, count(sum((n) => n.sessions), "session"), byteRate(sum((n) => n.bytes_per_s)), ...gone].join(" · ");
}

/** The versions that are heard; more than one while a fleet is being replaced, and not for long. */
export function versions(loads: readonly NodeLoad[]): string[] {
  return [...new Set(loads.filter((n) => n.silent !== true).map((n) => n.version))].sort();
}

/** All nodes on one NATS, how they fare, and which policy they keep to. */
export class FleetTable {
  #by: Order = "node";
  #reversed = false;
  #show = () => {};

  constructor(private readonly table: HTMLTableElement, private readonly line: HTMLElement, private readonly mixed: HTMLElement) {
    table.tHead?.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-by]") : null;
      if (button === null) return;
      const by = button.dataset["by"] as Order;
      this.#reversed = by === this.#by && !this.#reversed;
      this.#by = by;
      this.#show();
    });
  }

  show(loads: readonly NodeLoad[], policies: readonly PolicyNode[], revision: number, now: number): void {
    this.#show = () => {
      for (const button of this.table.tHead?.querySelectorAll<HTMLElement>("[data-by]") ?? []) {
        const chosen = button.dataset["by"] === this.#by;
        setAttribute(button.closest("th")!, "aria-sort", chosen ? (this.#reversed ? "descending" : "ascending") : "none");
      }
      fill(this.table, inOrder(loads, this.#by, this.#reversed).map((n) => rowOf(n, policies.find((p) => p.node === n.node), revision, now)), "No node was heard of yet.");
    };
    this.#show();
    this.table.dataset["alone"] = String(loads.length <= 1);
    this.line.textContent = summary(loads);
    const all = versions(loads);
    this.mixed.hidden = all.length < 2;
    this.mixed.textContent = `${all.length} versions`;
    this.mixed.title = all.join(", ");
  }
}

function rowOf(n: NodeLoad, policy: PolicyNode | undefined, revision: number, now: number): Row {
  const { word, tone, more } = stateOf(n);
  const state = make("span", { class: "node-state" }, make("span", { class: "dot", "data-tone": tone, "aria-hidden": "true" }), word);
  if (more.length > 0) state.append(make("span", { class: "note" }, more.join(", ")));
  const name = make("span", { class: "node-name" }, make("b", {}, n.node));
  if (n.this === true) name.append(make("span", { class: "chip" }, "this one"));
  const address = n.url === undefined || n.url === "" ? make("span", { class: "note" }, "none of its own") : make("span", { title: n.url }, host(n.url));
  const heard = age(Math.max(0, now - Date.parse(n.heard)));
  const known = n.compatible && n.silent !== true;
  const kept = policyOf(n, policy, revision);
  return {
    key: n.instance,
    cells: [
      name, state, address,
      known ? compact(n.sessions) : "", known ? byteRate(n.bytes_per_s) : "", known ? share(n.cpu, `${Math.round(100 * n.cpu)} % of ${n.cores === 1 ? "1 core" : `${n.cores} cores`}`) : "", known ? memory(n) : "",
      known ? instruments(n) : "", n.version, kept.word === "" ? "" : make("span", { class: kept.off ? "off" : "", title: kept.why }, kept.word), `${heard} ago`,
    ],
    ...(n.silent === true ? { tone: "soft" as const } : {}),
  };
}

/** Which policy a node keeps to, in a word, and whether it is another one than `revision`, that of the node that answers. */
export function policyOf(n: NodeLoad, policy: PolicyNode | undefined, revision: number): { word: string; off: boolean; why: string } {
  // Nodes tell of revisions where they all look for them; which one has none of those, its load says.
  const own = policy?.revision ?? 0;
  const failed = policy !== undefined && policy.state !== "applied" && policy.state !== "" ? ` ${policy.state}` : "";
  const why = policy?.error ?? "";
  if (own > 0 || failed !== "") return { word: `${own === 0 ? "built-in" : own}${failed}`, off: own !== revision || why !== "", why };
  if (policy === undefined && n.policy !== "built-in") return { word: n.policy === "file" ? "of a file" : "", off: false, why };
  return { word: "built-in", off: revision !== 0, why };
}

/** A share as a bar beside its figure: the bar for the eye that runs down the column. */
function share(part: number, said: string): HTMLElement {
  const out = make("span", { class: "share" }, bar(Math.min(1, part)), said);
  out.dataset["full"] = String(part >= 0.7);
  return out;
}

function memory(n: NodeLoad): Node {
  const part = memoryOf(n);
  return part === undefined ? make("span", { title: "it has no limit" }, bytes(n.memory_bytes)) : share(part, `${bytes(n.memory_bytes)} of ${bytes(n.memory_limit_bytes)}`);
}

const bytes = (b: number) => (b >= 1 << 30 ? `${(b / (1 << 30)).toFixed(1)} GiB` : `${Math.round(b / (1 << 20))} MiB`);

function instruments(n: NodeLoad): string {
  return n.interest === "demand" ? `${compact(n.carried)} of ${compact(n.instruments)}` : compact(n.carried);
}

function host(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}
