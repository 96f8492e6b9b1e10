import type { Client, Grant, QuoteRow, QuoteStore, TradeEvent } from "@feedd/client";
import { setAttribute } from "../ui/dom.ts";
import { isPattern, MAX_ROWS } from "./address.ts";
import type { Flashes } from "../ui/flash.ts";
import type { Frame } from "../ui/frame.ts";
import { OffsetFloor, type Latency } from "./latency.ts";
import { Row, type RowText } from "./row.ts";
import { TREND_BARS } from "./trend.ts";

/** What the watchlist tells the rest of the page. */
export interface WatchlistListener {
  /** The list or its order changed by the viewer's hand. */
  listChanged(): void;
  /** Another row is the focused one; undefined: there is none. */
  focusChanged(row: Row | undefined): void;
  /** In the flush: the focused row drew a new quote or status. */
  focusDrawn(row: Row): void;
  /** The viewer opened a row by hand, rather than passing over it. */
  rowOpened(row: Row): void;
  /** Trades of the focused row arrived. */
  focusTraded(row: Row, events: readonly TradeEvent[]): void;
}

/** Trades that a row begins with, and that it keeps. */
const TRADE_HISTORY = 60;
const TRADE_BUFFER = 200;
/** Statistics are of a day: a slow pace is enough. */
const STATS_MS = 1000;
/** Bars of a minute change little: a sparkline takes them at the slowest pace there is. */
const TREND_MS = 5000;
/** One in so many sparklines is drawn at a time, so that each is once a second and none of the frames has all of them. */
const TREND_SHARES = 4;

/** What rows can be put in order by. */
export type SortKey = "symbol" | "change";

/** The table of rows: what is subscribed, what is drawn, which row has the focus. */
export class Watchlist {
  readonly #rows = new Map<string, Row>();
  /** Open quote stores with the symbol or pattern that each was opened for. */
  readonly #stores = new Map<string, QuoteStore>();
  readonly #floor = new OffsetFloor();
  readonly #dirty = new Set<Row>();
  readonly #traded = new Set<Row>();
  #focused: Row | undefined;
  #cadenceMs: number;
  #trendShare = 0;
  /** The order that the viewer asked for; it holds until the order is changed by hand. */
  #sorted: { key: SortKey; descending: boolean } | undefined;

  constructor(
    private readonly feed: Client,
    private readonly body: HTMLTableSectionElement,
    private readonly frame: Frame,
    private readonly flashes: Flashes,
    private readonly latency: Latency,
    private readonly listener: WatchlistListener,
    cadenceMs: number,
  ) {
    this.#cadenceMs = cadenceMs;
    frame.add((nowMs) => this.#draw(nowMs));
    feed.on("status", (status) => this.#touch(status.symbol));
    feed.on("source", (source) => this.#touchSource(source.source));
    body.addEventListener("click", (event) => this.#clicked(event));
    for (const th of this.#headers()) th.addEventListener("click", () => this.sort(th.dataset["sort"] as SortKey));
    body.addEventListener("keydown", (event) => this.#pressed(event));
    body.addEventListener("focusin", (event) => this.#focus(this.#rowAt(event.target)));
  }

  get focused(): Row | undefined {
    return this.#focused;
  }

  get size(): number {
    return this.#rows.size;
  }

  has(symbol: string): boolean {
    return this.#rows.has(symbol);
  }

  /** Symbols in the order of the rows. */
  symbols(): string[] {
    return [...this.body.rows].map((tr) => tr.dataset["symbol"] ?? "");
  }

  /** The slowest grant of any row; undefined before the first. Nothing is slower than a pause. */
  grant(): Grant | undefined {
    let slowest: Grant | undefined;
    for (const store of this.#stores.values()) {
      const grant = store.grant;
      if (grant !== undefined && (slowest === undefined || grant.cadenceMs > slowest.cadenceMs || grant.reason === "paused")) slowest = grant;
    }
    return slowest;
  }

  /** Adds symbols and patterns behind the rows there are. Returns how many found no place. */
  add(texts: readonly string[]): number {
    let full = 0;
    for (const text of texts) {
      if (this.#stores.has(text) || this.#rows.has(text)) continue;
      if (this.#rows.size >= MAX_ROWS) full++;
      else this.#open(text);
    }
    if (this.#focused === undefined) this.#focus(this.#first());
    this.frame.request();
    return full;
  }

  remove(row: Row): void {
    const beside = row.element.nextElementSibling ?? row.element.previousElementSibling;
    const hadFocus = row.element.contains(document.activeElement);
    this.#drop(row);
    if (this.#focused === row) {
      const next = this.#rowAt(beside);
      this.#focus(next);
      if (hadFocus) next?.element.focus();
    }
    this.listener.listChanged();
  }

  /** Empties the list, unasked: the caller fills it anew. */
  clear(): void {
    for (const row of [...this.#rows.values()]) this.#drop(row);
    for (const store of this.#stores.values()) store.close();
    this.#stores.clear();
    this.#showSorted(undefined);
    this.#focus(undefined);
  }

  /** Asks for another pace for all rows, those to come included. */
  setRate(cadenceMs: number): void {
    this.#cadenceMs = cadenceMs;
    for (const store of this.#stores.values()) store.setRate(cadenceMs);
    for (const row of this.#rows.values()) {
      row.trades?.setRate(cadenceMs);
      row.stats?.setRate(Math.max(STATS_MS, cadenceMs));
    }
  }

  #headers(): HTMLElement[] {
    return [...this.body.parentElement!.querySelectorAll<HTMLElement>("th[data-sort]")];
  }

  #showSorted(sorted: { key: SortKey; descending: boolean } | undefined): void {
    this.#sorted = sorted;
    for (const th of this.#headers()) {
      setAttribute(th, "aria-sort", th.dataset["sort"] !== sorted?.key ? "none" : sorted!.descending ? "descending" : "ascending");
    }
  }

  /** Moves the focus to the row of a symbol and shows it. */
  select(symbol: string): void {
    const row = this.#rows.get(symbol);
    if (row === undefined) return;
    this.#focus(row);
    row.element.focus({ preventScroll: true });
    row.element.scrollIntoView({ block: "nearest" });
  }

  /** Draws all ages, which grow without any news, and a share of the sparklines; four times a second. */
  drawAges(): void {
    const serverNowMs = this.feed.serverNow();
    for (const row of this.#rows.values()) row.showAge(serverNowMs);
    this.#trendShare = (this.#trendShare + 1) % TREND_SHARES;
    let i = 0;
    for (const row of this.#rows.values()) if (i++ % TREND_SHARES === this.#trendShare && !row.failed) row.showTrend();
  }

  /** Puts the rows in order, once; the same again turns it round. What has no value comes last. */
  sort(key: SortKey): void {
    const descending = this.#sorted?.key === key ? !this.#sorted.descending : key === "change";
    const sign = descending ? -1 : 1;
    const rows = [...this.body.rows].map((tr) => this.#rows.get(tr.dataset["symbol"] ?? "")!);
    const change = ({ symbol, stats }: Row) => {
      const day = stats?.get(symbol)?.day;
      return day == null || day.open === 0 ? undefined : day.change / day.open;
    };
    rows.sort((a, b) => {
      if (key === "symbol") return sign * (a.symbol < b.symbol ? -1 : 1);
      const [x, y] = [change(a), change(b)];
      return x === undefined || y === undefined ? Number(x === undefined) - Number(y === undefined) : sign * (x - y);
    });
    this.body.append(...rows.map((row) => row.element));
    this.#showSorted({ key, descending });
    this.listener.listChanged();
  }

  text(): RowText[] {
    return this.symbols().flatMap((symbol) => this.#rows.get(symbol)?.text() ?? []);
  }

  #open(text: string): void {
    const store = this.feed.quotes([text], { cadenceMs: this.#cadenceMs });
    this.#stores.set(text, store);
    if (!isPattern(text)) this.#addRow(text, store);
    store.onResult((symbol, result) => {
      if (this.#stores.get(text) !== store) return;
      if (!result.ok) this.#refused(symbol, store, result.text ?? result.code ?? "refused");
      else if (!isPattern(symbol)) this.#known(symbol, store);
    });
    store.subscribe((changed) => this.#changed(changed));
  }

  #addRow(symbol: string, store: QuoteStore): Row | undefined {
    const present = this.#rows.get(symbol);
    if (present !== undefined || this.#rows.size >= MAX_ROWS) return present;
    const row = new Row(symbol, store);
    this.#rows.set(symbol, row);
    this.body.append(row.element);
    if (this.#focused === undefined) this.#focus(row);
    return row;
  }

  /** The server takes the symbol: its trades may be asked for. */
  #known(symbol: string, store: QuoteStore): void {
    const row = this.#addRow(symbol, store);
    if (row?.quotes !== store) return;
    row.recover();
    if (row.trades !== undefined) return;
    const trades = this.feed.trades([symbol], { history: TRADE_HISTORY, buffer: TRADE_BUFFER, cadenceMs: this.#cadenceMs });
    row.trades = trades;
    trades.onResult((_, result) => {
      row.tradesRefused = result.ok ? undefined : (result.text ?? result.code ?? "refused");
      if (row === this.#focused) this.listener.focusTraded(row, []);
    });
    trades.subscribe((events) => {
      this.#traded.add(row);
      if (row === this.#focused) this.listener.focusTraded(row, events);
      this.frame.request();
    });
    this.#openStats(row);
    row.bars = this.feed.bars([symbol], { seconds: 60, history: TREND_BARS, buffer: TREND_BARS + 1, cadenceMs: TREND_MS });
    this.#touch(symbol);
  }

  #openStats(row: Row): void {
    const stats = this.feed.stats([row.symbol], { cadenceMs: Math.max(STATS_MS, this.#cadenceMs) });
    row.stats = stats;
    stats.onResult((_, result) => {
      row.statsRefused = result.ok ? undefined : (result.text ?? result.code ?? "refused");
      this.#touch(row.symbol);
    });
    stats.subscribe(() => this.#touch(row.symbol));
  }

  #refused(symbol: string, store: QuoteStore, text: string): void {
    const row = this.#addRow(symbol, store);
    if (row?.quotes !== store) return;
    row.fail(text);
    if (row === this.#focused) this.#focus(this.#first() ?? row);
  }

  #changed(changed: readonly QuoteRow[]): void {
    for (const quote of changed) this.#touch(quote.symbol);
  }

  #touch(symbol: string): void {
    const row = this.#rows.get(symbol);
    if (row === undefined) return;
    this.#dirty.add(row);
    this.frame.request();
  }

  #touchSource(source: string): void {
    for (const row of this.#rows.values()) if (row.quote?.instrument.source === source) this.#touch(row.symbol);
  }

  /** Draws what changed since the last frame. A row that changed several times is drawn once. */
  #draw(nowMs: number): void {
    const serverNowMs = this.feed.serverNow();
    const offset = this.feed.latency.clockOffsetMs;
    for (const row of this.#dirty) {
      if (row.failed) continue;
      const quote = row.quotes.get(row.symbol);
      if (quote !== undefined && quote !== row.quote) {
        row.showQuote(quote, this.flashes, nowMs);
        if (offset !== undefined && !document.hidden) this.#measure(quote, offset, serverNowMs - offset, row.quotes.grant?.cadenceMs ?? this.#cadenceMs);
      }
      row.showStatus(this.feed.statusOf(row.symbol));
      row.showChange(row.stats?.get(row.symbol));
      row.showAge(serverNowMs);
      if (row === this.#focused) this.listener.focusDrawn(row);
    }
    this.#dirty.clear();
    for (const row of this.#traded) {
      const last = row.trades?.get(row.symbol).findLast((trade) => trade.kind !== "cancellation");
      if (last !== undefined) row.showLast(last, this.flashes, nowMs);
      if (last !== undefined && row === this.#focused) this.listener.focusDrawn(row);
    }
    this.#traded.clear();
  }

  /** offsetMs: what pings say that the server's clock is ahead. nowMs: on this one's. */
  #measure(quote: QuoteRow, offsetMs: number, nowMs: number, cadenceMs: number): void {
    this.#floor.arrived(quote.cutTimeUs / 1000, quote.receivedMs);
    const aheadMs = this.#floor.atLeast(offsetMs);
    this.latency.record({
      exchangeMs: quote.exchangeTimeUs === null ? null : quote.exchangeTimeUs / 1000,
      ingestMs: quote.ingestTimeUs / 1000,
      cutMs: quote.cutTimeUs / 1000,
      receivedMs: quote.receivedMs + aheadMs,
      screenMs: nowMs + aheadMs,
    }, cadenceMs);
  }

  #drop(row: Row): void {
    row.trades?.close();
    row.stats?.close();
    row.bars?.close();
    row.element.remove();
    this.#rows.delete(row.symbol);
    this.#dirty.delete(row);
    this.#traded.delete(row);
    if ([...this.#rows.values()].some((other) => other.quotes === row.quotes)) return;
    row.quotes.close();
    for (const [text, store] of this.#stores) if (store === row.quotes) this.#stores.delete(text);
  }

  #first(): Row | undefined {
    return [...this.#rows.values()].find((row) => !row.failed);
  }

  #focus(row: Row | undefined): void {
    if (row === this.#focused) return;
    this.#focused?.element.setAttribute("aria-selected", "false");
    this.#focused?.element.setAttribute("tabindex", "-1");
    this.#focused = row;
    row?.element.setAttribute("aria-selected", "true");
    row?.element.setAttribute("tabindex", "0");
    this.listener.focusChanged(row);
  }

  #rowAt(target: EventTarget | null): Row | undefined {
    const tr = target instanceof Element ? target.closest<HTMLTableRowElement>("tr[data-symbol]") : null;
    return this.#rows.get(tr?.dataset["symbol"] ?? "");
  }

  #clicked(event: Event): void {
    const row = this.#rowAt(event.target);
    if (row === undefined) return;
    if (event.target instanceof Element && event.target.closest("td.act button")) this.remove(row);
    else {
      this.select(row.symbol);
      this.listener.rowOpened(row);
    }
  }

  #pressed(event: KeyboardEvent): void {
    const row = this.#rowAt(event.target);
    if (row === undefined || event.ctrlKey || event.metaKey) return;
    const { element } = row;
    const beside = { ArrowUp: element.previousElementSibling, ArrowDown: element.nextElementSibling,
      Home: this.body.firstElementChild, End: this.body.lastElementChild }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") this.remove(row);
    else if (event.key === "Enter") this.listener.rowOpened(row);
    else if (beside === undefined) return;
    else if (event.altKey) this.#move(row, event.key);
    else if (beside !== null) this.select((beside as HTMLElement).dataset["symbol"] ?? "");
    event.preventDefault();
  }

  #move(row: Row, key: string): void {
    if (key === "ArrowUp") row.element.previousElementSibling?.before(row.element);
    if (key === "ArrowDown") row.element.nextElementSibling?.after(row.element);
    this.#showSorted(undefined);
    row.element.focus({ preventScroll: true });
    row.element.scrollIntoView({ block: "nearest" });
    this.listener.listChanged();
  }
}
