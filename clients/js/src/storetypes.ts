/** What stores hold and hand out. */

import type { Instrument, InstrumentStatus, Listening, Quality, SourceEvent, Stop, Trading, TransportName } from './types.js';

/** The top of a book. Never changed once handed out: each update is a new object. */
export interface QuoteRow {
  readonly symbol: string;
  readonly instrument: Instrument;
  readonly bid: number | null;
  readonly bidSize: number | null;
  readonly ask: number | null;
  readonly askSize: number | null;
  /** The venue's time; null where it gives none. To the millisecond, as all times of quotes. */
  readonly exchangeTimeUs: number | null;
  /** When feedd took in the newest tick of this row. */
  readonly ingestTimeUs: number;
  /** When feedd froze the state in this row. */
  readonly cutTimeUs: number;
  /** When the row arrived here, on the client's own clock. */
  readonly receivedMs: number;
  readonly quality: Quality;
  readonly trading: Trading;
  /** Whether the row came whole rather than as a difference. */
  readonly full: boolean;
}

/** Numbers of a publisher's run: a larger one is later. A bigint only beyond 2^53. */
export type Epoch = number | bigint;

/** One trade. Never changed once handed out. */
export interface TradeRow {
  readonly symbol: string;
  readonly instrument: Instrument;
  readonly price: number;
  readonly size: number;
  /** Who took liquidity. */
  readonly aggressor: 'buy' | 'sell' | 'unknown';
  readonly exchangeTimeUs: number | null;
  readonly ingestTimeUs: number;
  readonly cutTimeUs: number;
  readonly receivedMs: number;
  /** The venue's number, null where it gives none; decimal text beyond 2^53. */
  readonly id: number | string | null;
  readonly kind: 'trade' | 'correction' | 'cancellation';
  /** Sequence of the trade that a correction or cancellation is about. */
  readonly refersTo: number | null;
  readonly epoch: Epoch;
  readonly sequence: number;
}

/** Trades that you will not get, from and to included. */
export interface MissedTrades {
  readonly symbol: string;
  readonly epoch: Epoch;
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/**
 * lost: dropped on the way because this client was too slow, by the server or (with `by` consumer) by a
 * for-await loop that did not keep up. gap: never reached the server's log, or older than it. One that is recovered
 * was fetched from the recorded stream: its trades follow, and are not missing.
 */
export type TradeEvent =
  | { readonly type: 'trade'; readonly trade: TradeRow }
  | ({ readonly type: 'lost'; readonly by: 'server' | 'consumer' } & MissedTrades)
  | ({ readonly type: 'gap'; readonly recovered: boolean } & MissedTrades);

export type GrantReason = 'wished' | 'rounded' | 'policy' | 'congestion' | 'hidden' | 'paused' | 'default' | 'bandwidth' | 'lag' | 'stopped' | 'overload';

/** What the server gives, which may be slower than what was wished. */
export interface Grant {
  /** Milliseconds between frames; 0: at once. */
  readonly cadenceMs: number;
  /** How far behind the market on purpose, in milliseconds; 0: real time. */
  readonly delayMs: number;
  /** Levels a side of a book; 0: all, or no book. */
  readonly depth: number;
  readonly reason: GrantReason;
}

export interface SubscribeResult {
  readonly ok: boolean;
  /** Why not, and what would be right; see FeedError.code. */
  readonly code?: string;
  readonly text?: string;
  /** The pattern or list that brought it. */
  readonly by?: string;
}

export interface StoreStats {
  /** Rows or events handed out, and in how many calls. */
  readonly rows: number;
  readonly batches: number;
  /** Calls a second, over the last seconds: the rate that there really is. */
  readonly rate: number;
  /**
   * Ticks that the server merged into rows of this store beyond the one that each shows. It is told for all rows of a frame
   * together; each counts as having had an equal share, so a store of few among many symbols has an estimate.
   */
  readonly conflated: number;
  /** Events that will not come: see `lost` and `gap` of trades, `lost` of bars. */
  readonly lost: number;
  /** Age on arrival of what came last, since feedd took it in; undefined before the first. As exact as the clocks' offset. */
  readonly lagMs: number | undefined;
  /** What the client's connection travels over; undefined without one. */
  readonly transport: TransportName | undefined;
}

export interface Store {
  /** Symbols that were granted, patterns and lists replaced by what they matched so far. */
  symbols(): string[];
  /** Wishes another pace, in milliseconds; 0: at once. What comes of it is told by onGrant. */
  setRate(cadenceMs: number): void;
  /** The slowest grant among the symbols; undefined before the first. */
  readonly grant: Grant | undefined;
  grantOf(symbol: string): Grant | undefined;
  onGrant(fn: (grant: Grant) => void, options?: Listening): Stop;
  /** One for each symbol, pattern and list asked, and for each symbol that came by one; more may join at any time. */
  readonly results: ReadonlyMap<string, SubscribeResult>;
  onResult(fn: (symbol: string, result: SubscribeResult) => void, options?: Listening): Stop;
  /** Resolves to `results` when each symbol, pattern and list that was asked has one, or the store is closed. */
  ready(): Promise<ReadonlyMap<string, SubscribeResult>>;
  readonly stats: StoreStats;
  /** Ends listeners and loops; what no other store uses is unsubscribed. */
  close(): void;
  [Symbol.dispose](): void;
}

/** The best levels first. Live: it changes as rows arrive, so copy what you keep. */
export interface BookSide {
  /** Levels there are. */
  readonly length: number;
  /** Price of the level `at` places behind the best, which is 0. NaN where there is none. */
  price(at: number): number;
  size(at: number): number;
  /** What is offered at a price; 0: nothing. */
  sizeAt(price: number): number;
}

export interface Level {
  readonly price: number;
  /** 0 in a change: the level is gone. */
  readonly size: number;
}

/** What became of a book since the last call. */
export interface BookChange {
  /** Everything may be different: read the sides anew. The lists below are then empty. */
  readonly reset: boolean;
  /** Levels that changed, each once, with what is there now; in no order. */
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}

/** The book of one symbol at one depth and grouping. */
export interface BookStore extends Store, AsyncIterable<BookChange> {
  readonly symbol: string;
  /** Undefined until the server has told of it. */
  readonly instrument: Instrument | undefined;
  readonly bids: BookSide;
  readonly asks: BookSide;
  /** Whether all levels of the view are here. False before the first snapshot, while one arrives, and while one is asked anew. */
  readonly complete: boolean;
  /** syncing: not complete, or the server is mending a hole in its own book. */
  readonly quality: Quality;
  /** Times of the last row; undefined before the first. As those of a quote. */
  readonly times: RowTimes | undefined;
  /** Checksums that came, and those that did not fit: each of these had the book sent anew. */
  readonly checksums: { readonly right: number; readonly wrong: number };
  /** Called once for each cut that changed the book, and with empty lists when `complete` or `quality` changed alone. */
  subscribe(fn: (change: BookChange) => void, options?: Listening): Stop;
}

/** When a row's state came about. */
export interface RowTimes {
  /** The venue's time of the newest tick; that of its arrival where the venue gives none. */
  readonly exchangeTimeUs: number;
  readonly ingestTimeUs: number;
  readonly cutTimeUs: number;
  readonly receivedMs: number;
}

/** What was traded in one interval. Never changed once handed out. An interval without trades has no bar. */
export interface BarRow extends RowTimes {
  readonly symbol: string;
  readonly instrument: Instrument;
  /** Length of the interval. */
  readonly seconds: number;
  /** Seconds since the Unix epoch. */
  readonly startS: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
  readonly trades: number;
  /** Mean price by volume. */
  readonly vwap: number;
  /** The interval is over. A late or mended trade may change the bar all the same. */
  readonly closed: boolean;
}

/**
 * bar: a bar began (`first`) or changed. gone: all trades of a bar were cancelled, and it with them. reset: bars may be
 * missing before what is held now, because the client was away for longer than the history that it asks for reaches;
 * read get() anew. lost: closed bars that the server could not send, by the starts of their intervals in UTC.
 */
export type BarEvent =
  | { readonly type: 'bar'; readonly bar: BarRow; readonly first: boolean }
  | { readonly type: 'gone'; readonly symbol: string; readonly startS: number }
  | { readonly type: 'reset'; readonly symbol: string }
  | { readonly type: 'lost'; readonly symbol: string; readonly fromS: number; readonly toS: number };

export interface BarStore extends Store, AsyncIterable<BarEvent[]> {
  readonly seconds: number;
  /** By start, the newest last; at most `buffer`. The same array until a bar changes. */
  get(symbol: string): readonly BarRow[];
  /** Changes in the order of the starts of a frame's bars. A bar that changed several times since the last call comes once, as it is now. */
  subscribe(fn: (events: readonly BarEvent[]) => void, options?: Listening): Stop;
}

/** What was traded in a span of time. */
export interface StatsWindow {
  readonly open: number;
  readonly high: number;
  readonly low: number;
  /** Last price less open. */
  readonly change: number;
  readonly volume: number;
  /** Price times size, summed: decimal text, since it outgrows numbers. */
  readonly turnover: string;
  readonly vwap: number;
  readonly trades: number;
}

/** Statistics of one symbol. Never changed once handed out. */
export interface StatsRow extends RowTimes {
  readonly symbol: string;
  readonly instrument: Instrument;
  /** null before the first trade. */
  readonly last: number | null;
  /** The rolling 24 hours, to the minute; null: nothing was traded. */
  readonly day: StatsWindow | null;
  /** Since sessionStartS, in seconds since the Unix epoch. */
  readonly session: StatsWindow | null;
  readonly sessionStartS: number;
  /** What the venue itself states; null where it does not. */
  readonly previousClose: number | null;
  readonly settlement: number | null;
  readonly mark: number | null;
  readonly index: number | null;
  readonly openInterest: number | null;
  /** Times 10^8. */
  readonly fundingRateE8: number | null;
}

/**
 * The trades of one cut in sum: volumes and counts of all rows add up to those of the tape, also across a reconnect.
 * Corrections and cancellations are not in it. Never changed once handed out.
 */
export interface SummaryRow extends RowTimes {
  readonly symbol: string;
  readonly instrument: Instrument;
  readonly trades: number;
  readonly volume: number;
  readonly high: number;
  readonly low: number;
  readonly last: number;
  readonly epoch: Epoch;
  /** Of the last trade. */
  readonly sequence: number;
}

export interface SummaryStore extends Store, AsyncIterable<SummaryRow[]> {
  /** The newest of a symbol. */
  get(symbol: string): SummaryRow | undefined;
  /** Called with one row for each symbol that traded. Rows that met on the way, or that a slow loop missed, are added together. */
  subscribe(fn: (rows: readonly SummaryRow[]) => void, options?: Listening): Stop;
}

export interface StatusRow extends InstrumentStatus {
  readonly instrument: Instrument;
  /** What its source says of itself; undefined until it does. */
  readonly source: SourceEvent | undefined;
}

/** The latest of each symbol. */
export interface LatestStore<R> extends Store, AsyncIterable<R[]> {
  get(symbol: string): R | undefined;
  /** The rows there are, in the order of symbols(). */
  rows(): R[];
  /** Called with the rows that changed, once for each cut. */
  subscribe(fn: (changed: readonly R[]) => void, options?: Listening): Stop;
}

export type QuoteStore = LatestStore<QuoteRow>;
export type StatsStore = LatestStore<StatsRow>;
export type StatusStore = LatestStore<StatusRow>;

/** A for-await loop gets batches of events; at most 4 × buffer (1,000 at least) wait for it. */
export interface TradeStore extends Store, AsyncIterable<TradeEvent[]> {
  /** The newest trades of a symbol, oldest first, at most `buffer`. The same array until there is another trade. */
  get(symbol: string): readonly TradeRow[];
  subscribe(fn: (events: readonly TradeEvent[]) => void, options?: Listening): Stop;
}

export interface StoreOptions {
  /** Closes the store when aborted. */
  signal?: AbortSignal;
}

export interface QuoteOptions extends StoreOptions {
  /** Wished milliseconds between frames, 0 for at once; absent: the server's default. */
  cadenceMs?: number;
}

export interface TradeOptions extends QuoteOptions {
  /** Past trades to begin with; absent: the server's default. Of stores that share a subscription, the first one's counts. */
  history?: number;
  /** Trades kept for each symbol; default 200. */
  buffer?: number;
}

export interface BookOptions extends QuoteOptions {
  /** Levels a side: 1, 5, 10, 20, 50, 100, or 0 (default) for all. */
  depth?: number;
  /** Width of a price group in scaled units, 1, 2 or 5 times a power of ten; 0 (default): levels as they are. Needs a depth. */
  priceGroup?: number;
}

export interface BarOptions extends QuoteOptions {
  /** Length of a bar: 1, 60 (default), 300, 900, 3600 or 86400. */
  seconds?: number;
  /** Past bars to begin with; absent: the server's default. Of stores that share a subscription, the first one's counts. */
  history?: number;
  /** Bars kept for each symbol; default 1,500. */
  buffer?: number;
}
