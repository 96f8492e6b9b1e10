import { byId, make, setAttribute, TextCell } from "../ui/dom.ts";
import { duration } from "../ui/format.ts";
import type { Hop, Latency } from "./latency.ts";

const HOPS: readonly [Hop, string][] = [["transit", "exchange → feedd"], ["hold", "→ cut"], ["wire", "→ page"], ["paint", "→ screen"]];

/** A tick's way from the exchange to the screen: a bar of hops, each as long as its median, and figures below. */
export class Way {
  readonly #bars = new Map<Hop, HTMLElement>();
  readonly #figures = new Map<Hop, { p50: TextCell; p99: TextCell }>();
  readonly #p50 = new TextCell(byId("way-p50", HTMLElement));
  readonly #p99 = new TextCell(byId("way-p99", HTMLElement));

  constructor(private readonly latency: Latency) {
    const [way, list] = [byId("way", HTMLElement), byId("way-hops", HTMLElement)];
    for (const [hop, name] of HOPS) {
      const bar = make("i", { "data-hop": hop });
      const [p50, p99] = [make("b"), make("span")];
      way.append(bar);
      list.append(make("li", { "data-hop": hop }, make("span", {}, name), p50, p99));
      this.#bars.set(hop, bar);
      this.#figures.set(hop, { p50: new TextCell(p50), p99: new TextCell(p99) });
    }
  }

  draw(): void {
    for (const [hop, { p50, p99 }] of this.#figures) {
      const median = this.latency.quantile(hop, 0.5);
      p50.set(duration(median));
      p99.set(`p99 ${duration(this.latency.quantile(hop, 0.99))}`);
      // Clocks that disagree may make a hop negative: it is then drawn as nothing, and said as it is.
      const grow = Math.max(0, median ?? 0).toFixed(1);
      const bar = this.#bars.get(hop)!;
      if (bar.style.flexGrow !== grow) bar.style.flexGrow = grow;
      setAttribute(bar, "data-known", String(median !== undefined));
    }
    const whole = this.latency.quantile("whole", 0.5) === undefined ? "feed" : "whole";
    this.#p50.set(duration(this.latency.quantile(whole, 0.5)));
    this.#p99.set(duration(this.latency.quantile(whole, 0.99)));
  }
}
