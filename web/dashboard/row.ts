import type { BarStore, InstrumentStatus, QuoteRow, QuoteStore, StatsRow, StatsStore, TradeRow, TradeStore } from "@feedd/client";
import { PriceText, SizeText, spreadText, symbolNodes, type Way } from "./cells.ts";
import { TextCell, make, setAttribute } from "../ui/dom.ts";
import type { Flashes } from "../ui/flash.ts";
import { NONE, age } from "../ui/format.ts";
import { Past } from "./past.ts";
import { Trend } from "./trend.ts";
import { percentText, wayOf } from "./statistics.ts";

/** Decimals of a price from which on it takes small letters. */
const LONG_SCALE = 7;

/** What a row shows, for tests and for reading out. */
export interface RowText {
  symbol: string;
  about: string;
  bidSize: string;
  bid: string;
  ask: string;
  askSize: string;
  spread: string;
  last: string;
  change: string;
  age: string;
  quality: string;
  trouble: string;
}

/** One line of the watchlist and the stores that feed it. */
export class Row {
  readonly element: HTMLTableRowElement;
  /** Opened once the server knows the symbol. */
  trades: TradeStore | undefined;
  /** Why there are no trades, in the server's words. */
  tradesRefused: string | undefined;
  /** Opened with the trades. */
  stats: StatsStore | undefined;
  /** Why there are no statistics, in the server's words. */
  statsRefused: string | undefined;
  /** Opened with the trades: the hour that the sparkline shows. */
  bars: BarStore | undefined;
  /** The newest trade that was drawn. */
  lastTrade: TradeRow | undefined;
  /** The last minute of the quote, for the chart. */
  readonly past = new Past();
  readonly trend = new Trend();
  /** The newest quote that was drawn. */
  quote: QuoteRow | undefined;

  readonly #about = new TextCell();
  readonly #bidSize: SizeText;
  readonly #bid: PriceText;
  readonly #ask: PriceText;
  readonly #askSize: SizeText;
  readonly #spread = new TextCell();
  readonly #last: PriceText;
  readonly #arrow = new TextCell();
  readonly #change = new TextCell();
  readonly #age = new TextCell();
  readonly #quality = new TextCell();
  readonly #cells: Record<"bidSize" | "bid" | "ask" | "askSize" | "last" | "change" | "state", HTMLTableCellElement>;
  #way: Way = 0;
  #trouble = "";
  #why: HTMLSpanElement | undefined;

  constructor(
    readonly symbol: string,
    /** The store that the quotes come from; a pattern's store feeds several rows. */
    readonly quotes: QuoteStore,
  ) {
    const cell = (name: string, ...content: Node[]) => make("td", { role: "gridcell", class: name }, ...content);
    const cells = {
      bidSize: cell("size bid-size"), bid: cell("price bid"), ask: cell("price ask"), askSize: cell("size ask-size"),
      last: cell("price last", make("span", { class: "arrow", "aria-hidden": "true" }, this.#arrow.node)),
      change: cell("change", this.#change.node),
      state: cell("state", make("span", { class: "quality" }, this.#quality.node), make("span", { class: "age" }, this.#age.node)),
    };
    this.#cells = cells;
    this.#bidSize = new SizeText(cells.bidSize);
    this.#bid = new PriceText(cells.bid);
    this.#ask = new PriceText(cells.ask);
    this.#askSize = new SizeText(cells.askSize);
    this.#last = new PriceText(cells.last);
    const name = make("th", { role: "rowheader", scope: "row", class: "symbol" }, ...symbolNodes(symbol));
    this.element = make(
      "tr", { role: "row", "data-symbol": symbol, "data-quality": "unknown", class: "waiting", "aria-selected": "false", tabindex: "-1" },
      name, cell("about", this.#about.node), cell("spark", this.trend.element), cells.last, cells.change, cells.bidSize, cells.bid, cells.ask, cells.askSize,
      cell("spread", this.#spread.node), cells.state,
      cell("act", make("button", { type: "button", tabindex: "-1", title: "Remove (Del)", "aria-label": `Remove ${symbol}` }, "×")),
    );
  }

  get failed(): boolean {
    return this.#trouble !== "";
  }

  /** Draws a quote, and lights up what moved. */
  showQuote(quote: QuoteRow, flashes: Flashes, nowMs: number): void {
    this.quote = quote;
    const { instrument } = quote;
    this.element.classList.remove("waiting");
    setAttribute(this.element, "data-long", String(instrument.priceScale > LONG_SCALE));
    this.#about.set(instrument.description);
    flashWay(flashes, this.#cells.bid, this.#bid.show(quote.bid, instrument), nowMs);
    flashWay(flashes, this.#cells.ask, this.#ask.show(quote.ask, instrument), nowMs);
    if (this.#bidSize.show(quote.bidSize, instrument)) flashes.set(this.#cells.bidSize, "moved", nowMs);
    if (this.#askSize.show(quote.askSize, instrument)) flashes.set(this.#cells.askSize, "moved", nowMs);
    this.#spread.set(spreadText(quote.bid, quote.ask, instrument));
    this.past.add(quote.cutTimeUs / 1000, quote.bid, quote.ask);
  }

  /** Draws the last price; its arrow stays until a trade at another price. */
  showLast(trade: TradeRow, flashes: Flashes, nowMs: number): void {
    this.lastTrade = trade;
    const way = this.#last.show(trade.price, trade.instrument);
    if (way === 0) return;
    flashWay(flashes, this.#cells.last, way, nowMs);
    if (way === this.#way) return;
    this.#way = way;
    this.#cells.last.dataset["way"] = way > 0 ? "up" : "down";
    this.#arrow.set(way > 0 ? "▲" : "▼");
  }

  /** Draws the change of 24 hours. */
  showChange(stats: StatsRow | undefined): void {
    this.#change.set(stats === undefined ? "" : percentText(stats.day));
    setAttribute(this.#cells.change, "data-way", wayOf(stats?.day));
    if (this.statsRefused !== undefined) setAttribute(this.#cells.change, "title", this.statsRefused);
  }

  /** Draws whether the row may be believed, and what the venue lets participants do. */
  showStatus(status: InstrumentStatus | undefined): void {
    // A hole in the book alone says nothing of what the row shows: the quote then is sound, and says so.
    const quality = (status?.quality === "syncing" ? this.quote?.quality : status?.quality) ?? "unknown";
    const trading = status?.trading ?? "unknown";
    const gone = status?.stream === "closed" || status?.stream === "closed-retry";
    const resting = trading !== "open" && trading !== "unknown";
    setAttribute(this.element, "data-quality", quality);
    setAttribute(this.element, "data-halted", String(resting));
    setAttribute(this.element, "data-gone", String(gone));
    this.#quality.set(gone ? "ended" : quality !== "ok" && quality !== "unknown" ? quality : resting ? trading : quality === "ok" ? "ok" : NONE);
    setAttribute(this.#cells.state, "title", status?.reason || (quality === "ok" ? "ok" : ""));
  }

  /** Draws the sparkline anew, of the hour's bars or, while there are few, of what was seen of the quote. */
  showTrend(): void {
    this.trend.draw(this.bars?.get(this.symbol) ?? [], this.past);
  }

  /** The row in a sentence, for those who listen. */
  said(): string {
    const name = this.symbol.slice(this.symbol.indexOf(":") + 1);
    if (this.failed) return `${name}: ${this.#trouble}`;
    const parts = [`last ${this.#last.text || "none"}`, `bid ${this.#bid.text || "none"}`, `ask ${this.#ask.text || "none"}`];
    if (this.#change.text !== "") parts.push(`${this.#change.text} per cent in 24 hours`);
    parts.push(`state ${this.#quality.text}`, `${this.#age.text || "no"} old`);
    return `${name}: ${parts.join(", ")}`;
  }

  /** Draws how long ago feedd took in the quote's newest tick. */
  showAge(serverNowMs: number): void {
    if (this.quote !== undefined) this.#age.set(age(serverNowMs - this.quote.ingestTimeUs / 1000));
  }

  /** Shows a message in place of the values: the server refused the symbol. */
  fail(text: string): void {
    this.#why ??= make("span", { class: "why" });
    this.#trouble = text;
    this.#why.textContent = text;
    this.#why.title = text;
    this.element.className = "trouble";
    this.element.cells[0]?.append(this.#why);
  }

  /** The server takes the symbol after all, such as after a reconnect. */
  recover(): void {
    if (!this.failed) return;
    this.#trouble = "";
    this.#why?.remove();
    this.element.className = this.quote === undefined ? "waiting" : "";
  }

  text(): RowText {
    return {
      symbol: this.symbol, about: this.#about.text, bidSize: this.#bidSize.text, bid: this.#bid.text, ask: this.#ask.text,
      askSize: this.#askSize.text, spread: this.#spread.text, last: this.#last.text, change: this.#change.text, age: this.#age.text,
      quality: this.#quality.text, trouble: this.#trouble,
    };
  }
}

function flashWay(flashes: Flashes, cell: HTMLElement, way: Way, nowMs: number): void {
  if (way !== 0) flashes.set(cell, way > 0 ? "up" : "down", nowMs);
}
