import type { Client } from "@feedd/client";
import { byId, make, TextCell } from "./dom.ts";
import { compact, duration, group } from "./format.ts";
import type { Hop, Latency } from "./latency.ts";
import { RateWindow } from "./window.ts";

/** Readings that a speed spans: three seconds at four a second, so that slow rates do not show as bursts. */
const READINGS = 13;

const HOP_NAMES: readonly [Hop, string][] = [
  ["transit", "Venue → feedd"],
  ["hold", "In feedd, until the cut"],
  ["wire", "Cut → browser"],
  ["paint", "Browser → screen"],
  ["feed", "feedd → screen"],
  ["whole", "Venue → screen"],
];

/** The latency badge with its table of hops, and the traffic badge with its totals. */
export class Meters {
  readonly #rates = new RateWindow<"rows" | "bytes" | "conflated">(READINGS);
  readonly #p50 = new TextCell(byId("latency-p50", HTMLElement));
  readonly #p99 = new TextCell(byId("latency-p99", HTMLElement));
  readonly #hops = new Map<Hop, [TextCell, TextCell]>();
  readonly #updates = new TextCell(byId("updates", HTMLElement));
  readonly #bytes = new TextCell(byId("bytes", HTMLElement));
  readonly #merged = new TextCell(byId("merged", HTMLElement));
  readonly #ticks = new TextCell(byId("ticks", HTMLElement));
  readonly #share = byId("merged-share", HTMLElement);
  readonly #totals = new Map<string, TextCell>();

  constructor(
    private readonly feed: Client,
    private readonly latency: Latency,
  ) {
    this.#buildHops(byId("latency-more", HTMLElement));
    const more = byId("traffic-more", HTMLElement);
    for (const name of ["Frames", "Rows", "Received", "Bytes per row", "Ticks merged", "Merged share", "Trades lost"]) {
      const value = make("dd");
      more.append(make("div", {}, make("dt", {}, name), value));
      this.#totals.set(name, new TextCell(value));
    }
  }

  /** Reads the counters, four times a second. */
  draw(nowMs: number): void {
    const { frames, bytes, rows, conflated, lost } = this.feed.traffic;
    this.#rates.read(nowMs, { rows, bytes, conflated });
    this.#updates.set(compact(this.#rates.perSecond("rows")));
    this.#bytes.set(compact(this.#rates.perSecond("bytes")));
    const [shown, merged] = [this.#rates.perSecond("rows"), this.#rates.perSecond("conflated")];
    this.#merged.set(compact(merged));
    this.#ticks.set(compact(shown + merged));
    this.#share.style.transform = `scaleX(${shown + merged > 0 ? (merged / (shown + merged)).toFixed(3) : 0})`;
    const total = (name: string, text: string) => this.#totals.get(name)?.set(text);
    total("Frames", group(String(frames)));
    total("Rows", group(String(rows)));
    total("Received", `${compact(bytes)} B`);
    total("Bytes per row", rows > 0 ? (bytes / rows).toFixed(1) : "0");
    total("Ticks merged", group(String(conflated)));
    total("Merged share", `${rows + conflated > 0 ? Math.round((100 * conflated) / (rows + conflated)) : 0} %`);
    total("Trades lost", group(String(lost)));
    this.#p50.set(duration(this.latency.quantile("feed", 0.5)));
    this.#p99.set(duration(this.latency.quantile("feed", 0.99)));
    for (const [hop, [p50, p99]] of this.#hops) {
      p50.set(duration(this.latency.quantile(hop, 0.5)));
      p99.set(duration(this.latency.quantile(hop, 0.99)));
    }
  }

  #buildHops(more: HTMLElement): void {
    const body = make("tbody");
    for (const [hop, name] of HOP_NAMES) {
      const [p50, p99] = [make("td"), make("td")];
      body.append(make("tr", hop === "feed" ? { class: "sum" } : {}, make("th", { scope: "row" }, name), p50, p99));
      this.#hops.set(hop, [new TextCell(p50), new TextCell(p99)]);
    }
    const head = make("thead", {}, make("tr", {}, make("td"), make("th", { scope: "col" }, "p50"), make("th", { scope: "col" }, "p99")));
    more.append(
      make("table", {}, head, body),
      make("p", {}, "Of the rows that reached the screen, on the server’s clock as pings estimate it. The wait until the cut is the price of the chosen rate."),
    );
  }
}
