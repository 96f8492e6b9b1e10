/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What the package promises, apart from code. Prices and sizes are integers: the decimal value times ten
 * to the power of the instrument's scale; format them with formatPrice and formatSize. Names that end in
 * Us are microseconds since the Unix epoch on a server's or venue's clock, those in Ms milliseconds.
 */

import type { FeedError } from './errors.js';
import type {
  BarOptions, BarStore, BookOptions, BookStore, QuoteOptions, QuoteStore, StatsStore, StatusStore, StoreOptions, SummaryStore, TradeOptions,
  TradeStore,
} from './storetypes.js';

export type * from './storetypes.js';

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

/** A WebSocket class. */
export type SocketClass = new (url: string, protocols: string[]) => Socket;

/** How messages travel: webtransport (over HTTP/3), websocket, stream (one HTTP answer that never ends) or poll (one HTTP request after the other). */
export type TransportName = 'webtransport' | 'websocket' | 'stream' | 'poll';

/** A connection over a transport. */
export interface Carrier extends Socket {
  readonly transport: TransportName;
}

/** What of the client a transport needs. */
export interface DialMeans {
  readonly WebSocket: SocketClass | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Chooses what a connection travels over: what fallback() of "@feedd/client/fallback" makes. */
export interface Transports {
  /** Best first. A worker that holds the connection makes its own of them. */
  readonly order: readonly TransportName[];
  /** Of webtransport, if it is one of them. */
  readonly webtransport?: WebTransportAddress | undefined;
  /** Begins a connection. Throws FeedError no-websocket where no transport is possible. */
  dial(url: string, means: DialMeans): Carrier;
}

/** Where WebTransport is, for when it is not to be left to the server to say. */
export interface WebTransportAddress {
  /** "https://host:port/v1/webtransport". */
  url?: string;
  /** SHA-256 of certificates of the server that no authority vouches for, in hexadecimal digits. */
  certificateHashes?: readonly string[];
}

/** A transport that fallback() knows nothing of: what webtransport() of "@feedd/client/webtransport" makes. `url` is always that of the WebSocket. */
export interface Rung {
  readonly name: 'webtransport';
  readonly address: WebTransportAddress;
  /** Whether there is a way to try it now. */
  possible(url: string): boolean;
  dial(url: string, clock: Clock): Socket;
  /** Takes in the first message of a connection over any transport. */
  heard(url: string, message: Uint8Array): void;
  /** A connection came to nothing. */
  failed(url: string): void;
  /** What is worth keeping for the next visit, as JSON has it. */
  kept(url: string): unknown;
  recall(url: string, kept: unknown): void;
}

/** What happened to the page or the network; for visibility, look at `hidden`. */
export type EnvironmentChange = 'online' | 'offline' | 'visibility' | 'freeze' | 'resume';

/** What the client needs of the page around it. Hand in another one to test, or where a page is not a browser's. */
export interface Environment {
  /** Nobody sees the page. */
  readonly hidden: boolean;
  /** Returns the way to stop listening. */
  listen(fn: (change: EnvironmentChange) => void): () => void;
}

export interface TokenRequest {
  /** connect: a connection is about to be made. expiring: the one there is ends soon without. refused: the server did not take the last one. */
  readonly reason: 'connect' | 'expiring' | 'refused';
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/**
 * A token as the server wants it. Throwing means "not now": the client tries again. null means that nobody is signed in: the
 * client closes, until connect() is called again.
 */
export type GetToken = (request: TokenRequest) => string | null | Promise<string | null>;

export interface ClientOptions {
  /** Address of the service: "wss://host/v1/ws". */
  url: string;
  /** Called ahead of each connection and when a token is about to expire; after a sleep, too. Keep tokens that are still good yourself. */
  getToken?: GetToken;
  /** Closes the client when aborted. */
  signal?: AbortSignal;
  /** WebSocket class; globalThis.WebSocket when absent. Node 20 has none: pass the one of the `ws` package. */
  WebSocket?: SocketClass;
  /** For networks that let no WebSocket through: `transports: fallback()`, of "@feedd/client/fallback". Default: WebSockets alone. */
  transports?: Transports;
  clock?: Clock;
  environment?: Environment;
  /**
   * While the page is hidden: slow (default) is a slow cadence, pause no rows but statuses, same no change. What came meanwhile is
   * there at once when the page is shown.
   */
  whenHidden?: 'slow' | 'pause' | 'same';
  /** Wish slower cadences while this thread does not keep up, and the old ones when it does again; default true. Told by on('pace'). */
  adaptive?: boolean;
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
  /** What the connection travels over; with state live only. */
  readonly transport?: TransportName;
  /** Wait before the next attempt, 0 when one is under way; with state reconnecting only. */
  readonly retryInMs?: number;
}

export interface GoAwayEvent {
  readonly reason: string;
  /** When to come back after the server closes; the client does so by itself. */
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  /** URLs of other nodes, the best first: the client goes there by itself, unless that would give up encryption. */
  readonly alternates: readonly string[];
}

/** The client asks for less, or for more again, since this thread fell behind or caught up. */
export interface PaceEvent {
  /** Rungs of the server's ladder of cadences by which everything is slower than wished; 0: as wished. */
  readonly steps: number;
  /** How late a timer came last. */
  readonly lateMs: number;
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
  /**
   * When the server began to carry the instrument, in microseconds since the Unix epoch: bars, statistics and past trades are of
   * what was traded since. 0 where it has carried it since its own start.
   */
  readonly sinceUs: number;
}

export interface ClientEvents {
  state: StateEvent;
  error: FeedError;
  source: SourceEvent;
  status: InstrumentStatus;
  goaway: GoAwayEvent;
  pace: PaceEvent;
  /** An instrument that was known is defined anew: steps, description, session, or that it is delisted. */
  instrument: Instrument;
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
  /** "spot", "perpetual", "future", "option", "equity", "fx", "index", "bond" or empty. */
  readonly assetClass: string;
  /** A trading day starts so many seconds after 00:00 in timeZone (an IANA name; empty: UTC). */
  readonly sessionStartS: number;
  readonly timeZone: string;
  readonly delisted: boolean;
}

/** Stops listening when called, or at the end of a `using` block. */
export type Stop = (() => void) & Disposable;

export interface Listening {
  /** Stops listening when aborted. */
  signal?: AbortSignal;
}

/** A connection, whatever is asked over it: what createClient of "@feedd/client/core" makes. */
export interface CoreClient {
  readonly state: ConnectionState;
  /** The server's name for this connection, for support. */
  readonly session: string | undefined;
  /** Name and version of the server's software. */
  readonly server: string | undefined;
  /** What the connection travels over; undefined without one. */
  readonly transport: TransportName | undefined;
  /**
   * Starts; harmless when started. The first store of an idle client does it by itself.
   * Throws FeedError no-websocket where there is no WebSocket.
   */
  connect(): void;
  /** Ends the connection for good; stores stay readable, and come alive again with connect(). */
  close(): void;
  /** Cuts a wait for the next attempt short. Nothing otherwise. */
  reconnectNow(): void;
  /** Closes, and forgets all who listen to the client. */
  [Symbol.dispose](): void;
  /** A listener that throws harms nobody but itself. */
  on<E extends keyof ClientEvents>(event: E, fn: (e: ClientEvents[E]) => void, options?: Listening): Stop;
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
    /** Books that did not fit their checksum and were asked anew. */
    readonly mismatches: number;
  };
  /** Undefined until the server has told of the instrument. */
  statusOf(symbol: string): InstrumentStatus | undefined;
  /** hidden: a slow cadence; paused: no rows. Back to shown brings full rows. A hidden page counts as hidden whatever is said here. */
  setVisibility(visibility: 'shown' | 'hidden' | 'paused'): void;
  /**
   * Most bytes of rows a second that this client wants, at least 1,000; 0 (default): as many as the server gives. What does not
   * fit is merged: the freshest rows come as often as fits, and grants say so with the reason "bandwidth". Throws FeedError bad-option.
   */
  setCeiling(bytesPerSecond: number): void;
}

/** A client of every channel: what createClient makes. */
export interface Client extends CoreClient {
  /**
   * Live top of book of the symbols, each "venue:SYMBOL", a pattern with * ("binance:*USDT"), or a list of the server's
   * ("@majors"). What comes to fit a pattern or a list later joins by itself. Stores that name the same symbol share
   * one subscription at the fastest cadence that any of them wishes.
   */
  quotes(symbols: readonly string[], options?: QuoteOptions): QuoteStore;
  /** Every trade of the symbols in order, or an event that says which are missing. */
  trades(symbols: readonly string[], options?: TradeOptions): TradeStore;
  /** The order book of one symbol: a snapshot, then the levels that change. Throws FeedError bad-option for a view that no server has. */
  book(symbol: string, options?: BookOptions): BookStore;
  /** Bars of one length, made of trades: the last ones, the open one as it grows, each closed one. */
  bars(symbols: readonly string[], options?: BarOptions): BarStore;
  /** Statistics over 24 hours and the session, and what the venue states. */
  stats(symbols: readonly string[], options?: QuoteOptions): StatsStore;
  /** Status of the symbols and their sources, without any prices. */
  status(symbols: readonly string[], options?: StoreOptions): StatusStore;
  /** Trades as one row a cut, for those who show no tape. */
  tradeSummaries(symbols: readonly string[], options?: QuoteOptions): SummaryStore;
}
