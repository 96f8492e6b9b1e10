import type { Client, TradeEvent } from "@feedd/client";
import { PriceText, SizeText, spreadText, symbolNodes } from "./cells.ts";
import { Chart } from "./chart.ts";
import { byId, setAttribute, TextCell } from "./dom.ts";
import type { Flashes } from "./flash.ts";
import { NONE } from "./format.ts";
import type { Frame } from "./frame.ts";
import type { Row } from "./row.ts";
import { Tape } from "./tape.ts";

/** A pixel of the chart is a fraction of a second: it need not be drawn in every frame. */
const CHART_MS = 100;

/** The panel of the focused symbol: its quote in large, its last minute, its trades. */
export class FocusPanel {
  readonly tape = new Tape(byId("tape", HTMLTableSectionElement));
  readonly #panel = byId("focus", HTMLElement);
  readonly #symbol = byId("focus-symbol", HTMLElement);
  readonly #about = new TextCell(byId("focus-about", HTMLElement));
  readonly #spread = new TextCell(byId("focus-spread", HTMLElement));
  readonly #source = new TextCell(byId("focus-source", HTMLElement));
  readonly #trading = new TextCell(byId("focus-trading", HTMLElement));
  readonly #balance = byId("focus-balance", HTMLElement);
  readonly #chart = new Chart(byId("chart", HTMLCanvasElement));
  #bid = this.#price("focus-bid");
  #ask = this.#price("focus-ask");
  #bidSize = this.#size("focus-bid-size");
  #askSize = this.#size("focus-ask-size");
  #row: Row | undefined;
  #title = "";
  #chartDrawnMs = -Infinity;

  constructor(
    private readonly feed: Client,
    private readonly frame: Frame,
    private readonly flashes: Flashes,
  ) {
    frame.add((nowMs) => {
      this.tape.draw();
      this.#drawChart(nowMs);
    });
  }

  show(row: Row | undefined): void {
    this.#row = row;
    this.#chartDrawnMs = -Infinity;
    this.#panel.hidden = row === undefined;
    this.#titled();
    if (row === undefined) return;
    this.#symbol.replaceChildren(...symbolNodes(row.symbol));
    // A fresh cell has nothing to compare with: another symbol's price is not a move.
    this.#bid = this.#price("focus-bid");
    this.#ask = this.#price("focus-ask");
    this.#bidSize = this.#size("focus-bid-size");
    this.#askSize = this.#size("focus-ask-size");
    for (const text of [this.#about, this.#spread, this.#source, this.#trading]) text.set("");
    this.#balance.style.transform = "";
    this.#resetTape(row);
    this.draw(row, performance.now());
    this.frame.request();
  }

  /** Draws the quote; called in the flush in which the row was drawn. */
  draw(row: Row, nowMs: number): void {
    const { quote } = row;
    if (row !== this.#row || quote === undefined) return;
    const { instrument } = quote;
    this.#about.set(instrument.description);
    this.#flash("focus-bid", this.#bid.show(quote.bid, instrument), nowMs);
    this.#flash("focus-ask", this.#ask.show(quote.ask, instrument), nowMs);
    this.#bidSize.show(quote.bidSize, instrument);
    this.#askSize.show(quote.askSize, instrument);
    this.#spread.set(spreadText(quote.bid, quote.ask, instrument) + basisPoints(quote.bid, quote.ask));
    this.#source.set(instrument.source);
    const status = this.feed.statusOf(row.symbol);
    setAttribute(this.#panel, "data-quality", status?.quality ?? "unknown");
    this.#trading.set(status === undefined || status.trading === "unknown" ? NONE : status.trading);
    const total = (quote.bidSize ?? 0) + (quote.askSize ?? 0);
    this.#balance.style.transform = `scaleX(${total > 0 ? ((quote.bidSize ?? 0) / total).toFixed(3) : 0.5})`;
    this.#titled();
  }

  traded(row: Row, events: readonly TradeEvent[]): void {
    if (row !== this.#row) return;
    if (events.length === 0) this.#resetTape(row);
    else this.tape.push(events);
    this.frame.request();
  }

  /** The look changed. */
  restyle(): void {
    this.#chart.restyle();
    this.#chartDrawnMs = -Infinity;
  }

  #resetTape(row: Row): void {
    const refused = row.tradesRefused === undefined ? "No trades yet" : `No trades: ${row.tradesRefused}`;
    this.tape.reset(row.trades?.get(row.symbol) ?? [], row.failed ? "" : refused);
  }

  #drawChart(nowMs: number): void {
    const row = this.#row;
    if (row === undefined || nowMs - this.#chartDrawnMs < CHART_MS) return;
    this.#chartDrawnMs = nowMs;
    this.#chart.draw(row.past, row.trades?.get(row.symbol) ?? [], this.feed.serverNow());
  }

  /** The browser's tab shows the price, so that it can be watched from another tab. */
  #titled(): void {
    const name = this.#row?.symbol.slice(this.#row.symbol.indexOf(":") + 1);
    const price = this.#row?.text().last || this.#bid.text;
    const title = name === undefined ? "feedd" : `${price === "" ? "" : `${price} `}${name} · feedd`;
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

/** The spread as a share of the middle, where that can be said. */
function basisPoints(bid: number | null, ask: number | null): string {
  if (bid === null || ask === null || bid + ask <= 0) return "";
  const points = ((ask - bid) / ((ask + bid) / 2)) * 10_000;
  return ` · ${points.toFixed(points < 0.995 ? 2 : 1)} bp`;
}
