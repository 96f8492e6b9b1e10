import type { Client, InstrumentStatus, TradeEvent } from "@feedd/client";
import { PriceText, SizeText, spreadText, symbolNodes } from "./cells.ts";
import type { ChartPanel } from "./chart-panel.ts";
import type { Depth } from "./depth.ts";
import { byId, setAttribute, TextCell } from "../ui/dom.ts";
import type { Flashes } from "../ui/flash.ts";
import { age, basisPoints } from "../ui/format.ts";
import type { Frame } from "../ui/frame.ts";
import type { Row } from "./row.ts";
import { percentText, Statistics, wayOf } from "./statistics.ts";
import { Tape } from "./tape.ts";

/** States of the page in which every price may be old. */
const STALE = new Set(["suspect", "stalled", "reconnecting", "closed"]);

/** The panel of the focused symbol: its prices in large, its statistics, chart, book and trades. */
export class FocusPanel {
  readonly tape = new Tape(byId("tape", HTMLTableSectionElement));
  readonly statistics = new Statistics();
  readonly #panel = byId("focus", HTMLElement);
  readonly #symbol = byId("focus-symbol", HTMLElement);
  readonly #about = new TextCell(byId("focus-about", HTMLElement));
  readonly #change = new TextCell(byId("focus-change", HTMLElement));
  readonly #spread = new TextCell(byId("focus-spread", HTMLElement));
  readonly #age = new TextCell(byId("focus-age", HTMLElement));
  readonly #balance = byId("focus-balance", HTMLElement);
  readonly #chips = new Map(["trading", "quality", "source"].map((name) => [name, new TextCell(byId(`chip-${name}`, HTMLElement))]));
  #last = this.#price("focus-last");
  #bid = this.#price("focus-bid");
  #ask = this.#price("focus-ask");
  #bidSize = this.#size("focus-bid-size");
  #askSize = this.#size("focus-ask-size");
  #row: Row | undefined;
  /** Another row has the focus than the one whose book and bars are open. */
  #moved = false;
  #title = "";
  /** What of the panel is on the screen: a narrow window shows one part at a time, and the rest is not subscribed. */
  #seen = { chart: true, book: true };

  constructor(
    private readonly feed: Client,
    private readonly frame: Frame,
    private readonly flashes: Flashes,
    private readonly chart: ChartPanel,
    private readonly depth: Depth,
  ) {
    frame.add(() => {
      this.tape.draw();
      this.#follow();
    });
  }

  show(row: Row | undefined): void {
    this.#row = row;
    this.#moved = true;
    this.#panel.hidden = row === undefined;
    this.#titled();
    this.frame.request();
    if (row === undefined) return;
    this.#symbol.replaceChildren(...symbolNodes(row.symbol));
    // A fresh cell has nothing to compare with: another symbol's price is not a move.
    this.#last = this.#price("focus-last");
    this.#bid = this.#price("focus-bid");
    this.#ask = this.#price("focus-ask");
    this.#bidSize = this.#size("focus-bid-size");
    this.#askSize = this.#size("focus-ask-size");
    for (const text of [this.#about, this.#change, this.#spread]) text.set("");
    this.#balance.style.backgroundSize = "";
    this.#resetTape(row);
    this.draw(row, performance.now());
  }

  /** Draws quote, last price, statistics and status; called in the flush in which the row was drawn. */
  draw(row: Row, nowMs: number): void {
    if (row !== this.#row) return;
    this.#drawStatus(this.feed.statusOf(row.symbol), row.quote?.instrument.source);
    const stats = row.stats?.get(row.symbol);
    this.statistics.draw(stats, row.statsRefused);
    this.#change.set(stats?.day == null ? "" : `${percentText(stats.day)} %`);
    setAttribute(byId("focus-change", HTMLElement), "data-way", wayOf(stats?.day));
    const trade = row.lastTrade;
    const last = trade ?? (stats?.last == null ? undefined : { price: stats.last, instrument: stats.instrument });
    if (last !== undefined) this.#flash("focus-last", this.#last.show(last.price, last.instrument), nowMs);
    this.#drawQuote(row, nowMs);
    this.#titled();
  }

  traded(row: Row, events: readonly TradeEvent[]): void {
    if (row !== this.#row) return;
    if (events.length === 0) this.#resetTape(row);
    else this.tape.push(events);
    this.frame.request();
  }

  /** Draws how long ago feedd took in the quote's newest tick; it grows without any news. */
  drawAge(serverNowMs: number): void {
    this.#titled();
    const quote = this.#row?.quote;
    this.#age.set(quote === undefined ? "" : `${age(serverNowMs - quote.ingestTimeUs / 1000)} old`);
  }

  /** The look changed. */
  restyle(): void {
    this.chart.restyle();
    this.depth.restyle();
  }

  /** Other parts are on the screen. */
  see(seen: { chart: boolean; book: boolean }): void {
    this.#seen = seen;
    this.#moved = true;
    this.frame.request();
  }

  /** Opens book and bars of the focused row. Once a frame, so that running through the rows opens few. */
  #follow(): void {
    if (!this.#moved) return;
    this.#moved = false;
    const row = this.#row?.failed ? undefined : this.#row;
    this.chart.show(this.#seen.chart ? row : undefined);
    this.depth.show(this.#seen.book ? row?.symbol : undefined);
  }

  #drawQuote(row: Row, nowMs: number): void {
    const { quote } = row;
    if (quote === undefined) return;
    const { instrument } = quote;
    this.#about.set(instrument.description);
    this.#flash("focus-bid", this.#bid.show(quote.bid, instrument), nowMs);
    this.#flash("focus-ask", this.#ask.show(quote.ask, instrument), nowMs);
    this.#bidSize.show(quote.bidSize, instrument);
    this.#askSize.show(quote.askSize, instrument);
    this.#spread.set(spreadText(quote.bid, quote.ask, instrument) + basisPoints(quote.bid, quote.ask));
    const total = (quote.bidSize ?? 0) + (quote.askSize ?? 0);
    this.#balance.style.backgroundSize = `${total > 0 ? ((100 * (quote.bidSize ?? 0)) / total).toFixed(1) : 50}% 100%`;
  }

  #drawStatus(status: InstrumentStatus | undefined, source: string | undefined): void {
    const { quality, trading, reason, stream } = status ?? { quality: "unknown", trading: "unknown", reason: "", stream: "unknown" };
    setAttribute(this.#panel, "data-quality", quality);
    const ended = stream === "closed" || stream === "closed-retry";
    this.#chip("trading", trading === "unknown" ? "" : trading, trading === "open" ? "good" : "warn", trading === "open" ? "" : reason);
    this.#chip("quality", ended ? "ended" : quality === "unknown" ? "" : quality, quality === "ok" && !ended ? "good" : "warn", reason);
    this.#chip("source", source ?? "", "", "");
  }

  #chip(name: string, text: string, tone: string, why: string): void {
    const chip = byId(`chip-${name}`, HTMLElement);
    this.#chips.get(name)!.set(text);
    chip.hidden = text === "";
    setAttribute(chip, "data-tone", tone);
    setAttribute(chip, "title", why);
  }

  #resetTape(row: Row): void {
    const refused = row.tradesRefused === undefined ? "No trades yet" : `No trades: ${row.tradesRefused}`;
    this.tape.reset(row.trades?.get(row.symbol) ?? [], row.failed ? "" : refused);
  }

  /** The browser's tab shows the price, so that it can be watched from another tab, and that it may be old. */
  #titled(): void {
    const name = this.#row?.symbol.slice(this.#row.symbol.indexOf(":") + 1);
    const price = this.#row?.text().last || this.#bid.text;
    const doubt = STALE.has(document.body.dataset["feed"] ?? "") || this.#row?.quote?.quality === "suspect" ? "⚠ " : "";
    const title = name === undefined ? `${doubt}feedd` : `${doubt}${price === "" ? "" : `${price} `}${name} · feedd`;
    if (title === this.#title) return;
    this.#title = title;
    document.title = title;
  }

  #flash(id: string, way: number, nowMs: number): void {
    if (way !== 0) this.flashes.set(byId(id, HTMLElement), way > 0 ? "up" : "down", nowMs);
  }

  #price(id: string): PriceText {
    const parent = byId(id, HTMLElement);
    parent.replaceChildren();
    return new PriceText(parent);
  }

  #size(id: string): SizeText {
    const parent = byId(id, HTMLElement);
    parent.replaceChildren();
    return new SizeText(parent);
  }
}
