import { byId, make, TextCell } from "../ui/dom.ts";
import { byteRate, compact, duration, group } from "../ui/format.ts";
import type { Hop, Latency } from "./latency.ts";
import type { Traffic } from "./traffic.ts";

const HOP_NAMES: readonly [Hop, string][] = [
  ["transit", "Exchange → feedd"],
  ["hold", "In feedd, until the cut"],
  ["wire", "Cut → page"],
  ["paint", "Page → screen"],
  ["feed", "feedd → screen"],
  ["whole", "Exchange → screen"],
];

/** The latency badge with its table of hops, and the traffic badge with its totals. */
export class Meters {
  readonly #p50 = new TextCell(byId("latency-p50", HTMLElement));
  readonly #p99 = new TextCell(byId("latency-p99", HTMLElement));
  readonly #hops = new Map<Hop, [TextCell, TextCell]>();
  readonly #updates = new TextCell(byId("updates", HTMLElement));
  readonly #bytes = new TextCell(byId("bytes", HTMLElement));
  readonly #totals = new Map<string, TextCell>();

  constructor(
    private readonly traffic: Traffic,
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

  /** Draws what the traffic read; four times a second. */
  draw(): void {
    const { frames, bytes, rows, conflated, lost } = this.traffic.total;
    this.#updates.set(compact(this.traffic.perSecond.rows));
    this.#bytes.set(byteRate(this.traffic.perSecond.bytes));
    const total = (name: string, text: string) => this.#totals.get(name)?.set(text);
    total("Frames", group(String(frames)));
    total("Rows", group(String(rows)));
    total("Received", byteRate(bytes).replace("/s", ""));
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
