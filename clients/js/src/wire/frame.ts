/**
 * feed.v1.ServerFrame as plain objects: what this client uses of it. A frame is read whole before anything of it
 * is applied.
 */

import type { Epoch } from '../types.js';
import {
  type Fields, bool, each, enumeration, fixed64, int64, maybe, message, string, type Type, uint32, uint32s, uint64, wide,
} from './fields.js';
import type { WireBar, WireBook, WireStats, WireSummary } from './pictures.js';
import { Reader } from './reader.js';
import type { WireQuote, WireTrade } from './ticks.js';

export interface WireStatus { handle: number; stream: number; quality: number; trading: number; reason: string; sinceUs: number }
export interface WireSourceStatus { source: string; stream: number; quality: number; reason: string }
/** Of a Lost or a Gap; recovered is that of a Gap. */
export interface WireRange { handle: number; from: number; to: number; epoch: Epoch; recovered: boolean }
export interface WireLimits {
  clientFrameBytes: number; serverFrameBytes: number; symbolsPerRequest: number; requestsPerSecond: number;
}
export interface WireWelcome {
  session: string; server: string; limits: WireLimits | undefined; heartbeatMs: number; cadencesMs: number[]; alternates: string[];
}
export interface WireInstrument {
  symbol: string; priceScale: number; sizeScale: number; priceStep: number; sizeStep: number;
  description: string; base: string; quote: string; source: string; statusHandle: number;
  assetClass: string; sessionStartS: number; timeZone: string; delisted: boolean;
}
export interface WireResult {
  symbol: string; channel: string; handle: number; code: number; text: string;
  depth: number; priceGroup: number; barSeconds: number; tradeSummary: boolean; by: string;
  /** The handle that ends with it. */
  replaces: number;
}
export interface WireSubscribed { instruments: WireInstrument[]; results: WireResult[]; partial: boolean }
export interface WireGrant {
  handles: number[]; cadenceMs: number; depth: number; delayMs: number; reason: number;
}
export interface WirePong { clientTimeUs: number; serverTimeUs: number }
export interface WireGoAway { reason: string; reconnectMinMs: number; reconnectMaxMs: number; alternates: string[] }
/** Of a TokenExpiring or an Identity. */
export interface WireExpiry { expiresUs: number }
export interface WireError { code: number; text: string }

/** The lists of rows that belong to a handle. */
export interface Rows {
  quotes: WireQuote[];
  trades: WireTrade[];
  books: WireBook[];
  bars: WireBar[];
  stats: WireStats[];
  summaries: WireSummary[];
}

/** What a connection needs of a frame. Absent messages are undefined. */
export interface LinkFrame {
  replyTo: number;
  welcome: WireWelcome | undefined;
  pong: WirePong | undefined;
  goaway: WireGoAway | undefined;
  error: WireError | undefined;
  tokenExpiring: WireExpiry | undefined;
  limits: WireLimits | undefined;
  identity: WireExpiry | undefined;
}

/** What subscriptions need of it besides. Of the rows there are the lists that the reader was taught. */
export interface FeedFrame extends Partial<Rows> {
  statuses: WireStatus[];
  cutTimeUs: number;
  conflated: number;
  sourceStatuses: WireSourceStatus[];
  losses: WireRange[];
  gaps: WireRange[];
  partial: boolean;
  subscribed: WireSubscribed | undefined;
  grants: WireGrant[];
  instruments: WireInstrument[];
}

export interface ServerFrame extends LinkFrame, FeedFrame {}

/** Number and type of the lists of rows to read. */
export type RowLists = { readonly [K in keyof Rows]?: readonly [number: number, type: Type<Rows[K]>] };
export type Known = Partial<Fields<LinkFrame & Omit<FeedFrame, keyof Rows>>> & RowLists;

const limits = () => message<WireLimits>({
  clientFrameBytes: [1, uint32], serverFrameBytes: [2, uint32], symbolsPerRequest: [4, uint32], requestsPerSecond: [5, uint32],
});

const linkFields = (): Fields<LinkFrame> => ({
  replyTo: [16, uint32],
  welcome: [17, maybe(message<WireWelcome>({
    session: [1, string], server: [3, string], limits: [4, maybe(limits())], heartbeatMs: [5, uint32], cadencesMs: [6, uint32s],
    alternates: [7, each(string)],
  }))],
  pong: [21, maybe(message<WirePong>({ clientTimeUs: [1, int64], serverTimeUs: [2, int64] }))],
  goaway: [23, maybe(message<WireGoAway>({ reason: [1, string], reconnectMinMs: [2, uint32], reconnectMaxMs: [3, uint32], alternates: [4, each(string)] }))],
  error: [24, maybe(message<WireError>({ code: [1, enumeration], text: [2, string] }))],
  tokenExpiring: [25, maybe(message<WireExpiry>({ expiresUs: [1, int64] }))],
  limits: [27, maybe(limits())],
  identity: [28, maybe(message<WireExpiry>({ expiresUs: [3, int64] }))],
});

/** The schema of what subscriptions need, but for the rows. */
export function feedFields(): Fields<Omit<FeedFrame, keyof Rows>> {
  const instruments = each(message<WireInstrument>({
    symbol: [1, string], priceScale: [2, uint32], sizeScale: [3, uint32], priceStep: [4, int64], sizeStep: [5, int64],
    description: [6, string], base: [7, string], quote: [8, string], source: [9, string], statusHandle: [10, uint32],
    assetClass: [11, string], sessionStartS: [12, enumeration], timeZone: [13, string], delisted: [14, bool],
  }));
  const result = message<WireResult>({
    symbol: [1, string], channel: [2, string], handle: [3, uint32], code: [4, enumeration], text: [5, string],
    depth: [6, uint32], priceGroup: [7, int64], barSeconds: [8, uint32], tradeSummary: [9, bool], by: [10, string],
    replaces: [11, uint32],
  });
  const ranges = each(message<WireRange>({ handle: [1, uint32], from: [2, uint64], to: [3, uint64], epoch: [4, wide], recovered: [5, bool] }));
  return {
    statuses: [6, each(message<WireStatus>({
      handle: [1, uint32], stream: [2, enumeration], quality: [3, enumeration], trading: [4, enumeration], reason: [5, string], sinceUs: [6, int64],
    }))],
    cutTimeUs: [7, fixed64],
    conflated: [8, uint32],
    sourceStatuses: [9, each(message<WireSourceStatus>({
      source: [1, string], stream: [2, enumeration], quality: [3, enumeration], reason: [4, string],
    }))],
    losses: [10, ranges],
    gaps: [11, ranges],
    partial: [12, bool],
    subscribed: [18, maybe(message<WireSubscribed>({
      instruments: [1, instruments], results: [2, each(result)], partial: [3, bool],
    }))],
    grants: [20, each(message<WireGrant>({
      handles: [1, uint32s], cadenceMs: [2, uint32], depth: [3, uint32], delayMs: [4, uint32], reason: [5, enumeration],
    }))],
    instruments: [26, instruments],
  };
}

/**
 * Reads frames: what a connection needs, and of the rest what it was taught; other fields are passed over. Rows that hold a
 * number beyond 2^53 are marked; anything else that is wrong throws FeedError.
 */
export class FrameReader {
  #fields: Known = linkFields();
  #frame: ReturnType<typeof message<ServerFrame>> | undefined;

  learn(fields: Known): void {
    this.#fields = { ...this.#fields, ...fields };
    this.#frame = undefined;
  }

  read(bytes: Uint8Array): LinkFrame {
    const frame = (this.#frame ??= message(this.#fields as unknown as Fields<ServerFrame>));
    return frame.body(new Reader(bytes), frame.zero());
  }
}
