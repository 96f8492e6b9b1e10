/** What tabs and the worker that they share say to each other. All of it is plain values, as messages must be. */

import type { Level } from '../storetypes.js';
import type {
  BarEvent, BookOptions, ClientEvents, ClientOptions, ConnectionState, Grant, Instrument, Quality, QuoteOptions, RowTimes, StoreStats, SubscribeResult,
  TokenRequest, TradeEvent, TransportName, WebTransportAddress,
} from '../types.js';

/** What of a client's options can be sent. */
export type SharedSettings = Pick<ClientOptions, 'url' | 'whenHidden' | 'adaptive' | 'client' | 'heartbeatGraceMs' | 'reconnect'> & {
  /** Best first; absent: WebSockets alone. */
  readonly order?: readonly TransportName[];
  /** Where WebTransport is, if it is one of them and that is not to be told by the server. */
  readonly webtransport?: WebTransportAddress;
};

export type Opening = 'quotes' | 'trades' | 'book' | 'bars' | 'stats' | 'status' | 'tradeSummaries';

export interface StoreRequest {
  readonly opening: Opening;
  readonly symbols: readonly string[];
  readonly options: Omit<QuoteOptions & BookOptions & { seconds?: number; history?: number; buffer?: number }, 'signal'>;
}

export type ToWorker =
  /** The first; `lock` is the name of a lock that the tab holds while it lives. */
  | { readonly type: 'hello'; readonly settings: SharedSettings; readonly givesTokens: boolean; readonly hidden: boolean; readonly lock: string | undefined }
  | { readonly type: 'open'; readonly store: number; readonly request: StoreRequest }
  | { readonly type: 'rate'; readonly store: number; readonly cadenceMs: number }
  | { readonly type: 'close'; readonly store: number }
  | { readonly type: 'hidden'; readonly hidden: boolean }
  | { readonly type: 'ceiling'; readonly bytesPerSecond: number }
  | { readonly type: 'token'; readonly asked: number; readonly token?: string | null; readonly failed?: string }
  | { readonly type: 'reconnect' }
  | { readonly type: 'bye' };

/** How the worker's client stands. */
export interface Standing {
  readonly state: ConnectionState;
  readonly session: string | undefined;
  readonly server: string | undefined;
  readonly transport: TransportName | undefined;
  readonly latency: { readonly rttMs?: number; readonly clockOffsetMs?: number };
  readonly traffic: { frames: number; bytes: number; rows: number; conflated: number; lost: number; mismatches: number };
}

/** A book as it changed: after a reset the lists are all of it. */
export interface BookNews {
  readonly symbol: string;
  readonly reset: boolean;
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
  readonly complete: boolean;
  readonly quality: Quality;
  readonly times: RowTimes | undefined;
  readonly checksums: { readonly right: number; readonly wrong: number };
}

/** A row without its instrument, which is sent once. */
export type BareRow = { readonly symbol: string };

/** What came for one store of a tab. Rows stand for their instruments by symbol. */
export interface StoreNews {
  readonly type: 'news';
  readonly store: number;
  readonly results?: ReadonlyArray<readonly [string, SubscribeResult]>;
  readonly grants?: ReadonlyArray<readonly [string, Grant]>;
  readonly rows?: readonly BareRow[];
  readonly trades?: readonly TradeEvent[];
  readonly bars?: readonly BarEvent[];
  readonly book?: BookNews;
  readonly stats: StoreStats;
}

export type FromWorker =
  /** The first, to each tab, whatever it says. */
  | { readonly type: 'here' }
  | { readonly type: 'standing'; readonly standing: Standing }
  | { readonly type: 'event'; readonly name: Exclude<keyof ClientEvents, 'error'>; readonly event: unknown }
  | { readonly type: 'error'; readonly code: string; readonly text: string; readonly retrying: boolean }
  | { readonly type: 'instruments'; readonly instruments: readonly Instrument[] }
  | { readonly type: 'ask-token'; readonly asked: number; readonly reason: TokenRequest['reason'] }
  | StoreNews;
