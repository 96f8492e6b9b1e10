/**
 * What the package promises, apart from code. Prices and sizes are integers: the decimal value times ten
 * to the power of the instrument's scale; format them with formatPrice and formatSize. Names that end in
 * Us are microseconds since the Unix epoch on a server's or venue's clock, those in Ms milliseconds.
 */

import type { FeedError } from './errors.js';

/** What the client needs of time. Hand in another one to test, or to run on another clock. */
export interface Clock {
  /** Milliseconds since the Unix epoch, fractions allowed; must advance while the machine sleeps. */
  now(): number;
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** What the client needs of a WebSocket; browsers' and the `ws` package's both have it. */
export interface Socket {
  binaryType: string;
  readonly protocol: string;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

export interface ClientOptions {
  /** Address of the service: "wss://host/v1/ws". */
  url: string;
  /** WebSocket class; globalThis.WebSocket when absent. Node 20 has none: pass the one of the `ws` package. */
  WebSocket?: new (url: string, protocols: string[]) => Socket;
  clock?: Clock;
  /** Uniform in [0, 1), for the jitter of waits. */
  random?: () => number;
  /** Name and version of your software, for the operator's eyes; at most 128 bytes. */
  client?: string;
  /** Added to the silence that is borne before the connection counts as stalled or lost; default 1,000. */
  heartbeatGraceMs?: number;
  /**
   * Waits between attempts are uniform between 0 and a ceiling that doubles from baseMs (default 500) to
   * maxMs (default 20,000). A wait that the server asks for counts where it is longer.
   */
  reconnect?: { baseMs?: number; maxMs?: number };
}

/**
 * idle: connect() was not called yet. connecting: first attempt. live: rows flow. stalled: connected, but
 * silent for longer than the server promised. reconnecting: waiting or trying again. closed: for good,
 * until connect() is called again.
 */
export type ConnectionState = 'idle' | 'connecting' | 'live' | 'stalled' | 'reconnecting' | 'closed';

export interface StateEvent {
  readonly state: ConnectionState;
  readonly previous: ConnectionState;
  /** WebSocket close code behind a change to reconnecting or closed, where there was one. */
  readonly code?: number;
  readonly reason?: string;
  /** Wait before the next attempt, 0 when one is under way; with state reconnecting only. */
  readonly retryInMs?: number;
}

export interface GoAwayEvent {
  readonly reason: string;
  /** When to come back after the server closes; the client does so by itself. */
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
}

export type Stream = 'unknown' | 'open' | 'closed' | 'closed-retry';
/** Whether rows may be believed: never about a price that merely did not move. */
export type Quality = 'unknown' | 'ok' | 'suspect' | 'syncing';
export type Trading = 'unknown' | 'open' | 'halted' | 'auction' | 'pre-open' | 'closed';

export interface SourceEvent {
  readonly source: string;
  readonly stream: Stream;
  readonly quality: Quality;
  readonly reason: string;
}

export interface InstrumentStatus {
  readonly symbol: string;
  readonly stream: Stream;
  /** The worse of the instrument's own and its source's. */
  readonly quality: Quality;
  readonly trading: Trading;
  readonly reason: string;
}

export interface ClientEvents {
  state: StateEvent;
  error: FeedError;
  source: SourceEvent;
  status: InstrumentStatus;
  goaway: GoAwayEvent;
}

export interface Instrument {
  readonly symbol: string;
  /** Decimals of prices and of sizes. */
  readonly priceScale: number;
  readonly sizeScale: number;
  /** Smallest steps in scaled units; 0: unknown. */
  readonly priceStep: number;
  readonly sizeStep: number;
  readonly description: string;
  readonly base: string;
  readonly quote: string;
  readonly source: string;
}

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
 * for-await loop that did not keep up. gap: never reached feedd, or could not be replayed.
 */
export type TradeEvent =
  | { readonly type: 'trade'; readonly trade: TradeRow }
  | ({ readonly type: 'lost'; readonly by: 'server' | 'consumer' } & MissedTrades)
  | ({ readonly type: 'gap' } & MissedTrades);

export type GrantReason = 'wished' | 'rounded' | 'policy' | 'congestion' | 'hidden' | 'paused' | 'default';

/** What the server gives, which may be slower than what was wished. */
export interface Grant {
  /** Milliseconds between frames; 0: at once. */
  readonly cadenceMs: number;
  /** How far behind the market on purpose, in milliseconds; 0: real time. */
  readonly delayMs: number;
  readonly reason: GrantReason;
}

export interface SubscribeResult {
  readonly ok: boolean;
  /** Why not, and what would be right; see FeedError.code. */
  readonly code?: string;
  readonly text?: string;
}

export interface StoreStats {
  /** Rows or events handed out, and in how many calls. */
  readonly rows: number;
  readonly batches: number;
}

interface Store {
  /** Symbols that were granted, patterns replaced by what they matched. */
  symbols(): string[];
  /** Wishes another pace, in milliseconds; 0: at once. What comes of it is told by onGrant. */
  setRate(cadenceMs: number): void;
  /** The slowest grant among the symbols; undefined before the first. */
  readonly grant: Grant | undefined;
  grantOf(symbol: string): Grant | undefined;
  onGrant(fn: (grant: Grant) => void): () => void;
  /** One for each symbol and pattern asked, and for each symbol that a pattern matched. */
  readonly results: ReadonlyMap<string, SubscribeResult>;
  onResult(fn: (symbol: string, result: SubscribeResult) => void): () => void;
  readonly stats: StoreStats;
  /** Ends listeners and loops; what no other store uses is unsubscribed. */
  close(): void;
  [Symbol.dispose](): void;
}

export interface QuoteStore extends Store, AsyncIterable<QuoteRow[]> {
  get(symbol: string): QuoteRow | undefined;
  /** The rows there are, in the order of symbols(). */
  rows(): QuoteRow[];
  /** Called with the rows that changed, once for each cut. Returns the way to stop. */
  subscribe(fn: (changed: readonly QuoteRow[]) => void): () => void;
}

/** A for-await loop gets batches of events; at most 4 × buffer (1,000 at least) wait for it. */
export interface TradeStore extends Store, AsyncIterable<TradeEvent[]> {
  /** The newest trades of a symbol, oldest first, at most `buffer`; a new array each time. */
  get(symbol: string): readonly TradeRow[];
  subscribe(fn: (events: readonly TradeEvent[]) => void): () => void;
}

export interface QuoteOptions {
  /** Wished milliseconds between frames, 0 for at once; absent: the server's default. */
  cadenceMs?: number;
  /** Closes the store when aborted. */
  signal?: AbortSignal;
}

export interface TradeOptions extends QuoteOptions {
  /** Past trades to begin with; absent: the server's default. */
  history?: number;
  /** Trades kept for each symbol; default 200. */
  buffer?: number;
}

export interface Client {
  readonly state: ConnectionState;
  /** The server's name for this connection, for support. */
  readonly session: string | undefined;
  /**
   * Starts; harmless when started. The first quotes() or trades() of an idle client does it by itself.
   * Throws FeedError no-websocket where there is no WebSocket.
   */
  connect(): void;
  /** Ends the connection for good; stores stay readable, and come alive again with connect(). */
  close(): void;
  /** Cuts a wait for the next attempt short. Nothing otherwise. */
  reconnectNow(): void;
  [Symbol.dispose](): void;
  /** Returns the way to stop listening. A listener that throws harms nobody but itself. */
  on<E extends keyof ClientEvents>(event: E, fn: (e: ClientEvents[E]) => void): () => void;
  /** From pings, the best of the last few; clockOffsetMs is what the server's clock is ahead. */
  readonly latency: { readonly rttMs?: number; readonly clockOffsetMs?: number };
  /** The server's clock in milliseconds since the Unix epoch, as far as it is known. */
  serverNow(): number;
  /** Counted since the client was made: conflated are ticks merged by the server, lost are trades. */
  readonly traffic: {
    readonly frames: number;
    readonly bytes: number;
    readonly rows: number;
    readonly conflated: number;
    readonly lost: number;
  };
  /**
   * Live top of book of the symbols, each "venue:SYMBOL" or a pattern with * ("binance:*USDT"). Stores
   * that name the same symbol share one subscription at the fastest cadence that any of them wishes.
   */
  quotes(symbols: readonly string[], options?: QuoteOptions): QuoteStore;
  /** Every trade of the symbols in order, or an event that says which are missing. */
  trades(symbols: readonly string[], options?: TradeOptions): TradeStore;
  /** Undefined until the server has told of the instrument. */
  statusOf(symbol: string): InstrumentStatus | undefined;
  /** hidden: a slow cadence; paused: no rows. Back to shown brings full rows. */
  setVisibility(visibility: 'shown' | 'hidden' | 'paused'): void;
}
