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

export interface WireStatus { handle: number; stream: number; quality: number; trading: number; reason: string }
export interface WireSourceStatus { source: string; stream: number; quality: number; reason: string }
/** Of a Lost or a Gap; recovered is that of a Gap. */
export interface WireRange { handle: number; from: number; to: number; epoch: Epoch; recovered: boolean }
export interface WireLimits {
  clientFrameBytes: number; serverFrameBytes: number; subscriptions: number; symbolsPerRequest: number; requestsPerSecond: number;
}
export interface WireWelcome {
  session: string; serverTimeUs: number; server: string; limits: WireLimits; heartbeatMs: number; cadencesMs: number[];
}
export interface WireInstrument {
  symbol: string; priceScale: number; sizeScale: number; priceStep: number; sizeStep: number;
  description: string; base: string; quote: string; source: string; statusHandle: number;
  assetClass: string; sessionStartS: number; timeZone: string; delisted: boolean;
}
export interface WireResult {
  symbol: string; channel: string; handle: number; code: number; text: string;
  depth: number; priceGroup: number; barSeconds: number; tradeSummary: boolean; by: string;
}
export interface WireSubscribed { instruments: WireInstrument[]; results: WireResult[]; partial: boolean }
export interface WireGrant {
  handles: number[]; cadenceMs: number; depth: number; delayMs: number; reason: number; policy: number | bigint;
}
export interface WirePong { clientTimeUs: number; serverTimeUs: number }
export interface WireGoAway { reason: string; reconnectMinMs: number; reconnectMaxMs: number }
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

/** Of the rows there are the lists that the decoder was made for. Absent messages are undefined. */
export interface ServerFrame extends Partial<Rows> {
  statuses: WireStatus[];
  cutTimeUs: number;
  conflated: number;
  sourceStatuses: WireSourceStatus[];
  losses: WireRange[];
  gaps: WireRange[];
  partial: boolean;
  replyTo: number;
  welcome: WireWelcome | undefined;
  subscribed: WireSubscribed | undefined;
  grants: WireGrant[];
  pong: WirePong | undefined;
  goaway: WireGoAway | undefined;
  error: WireError | undefined;
  instruments: WireInstrument[];
}

/** Number and type of the lists of rows to read. */
export type RowLists = { readonly [K in keyof Rows]?: readonly [number: number, type: Type<Rows[K]>] };

/** The schema of all but the rows. */
function frameFields(): Fields<Omit<ServerFrame, keyof Rows>> {
  const instrument = message<WireInstrument>({
    symbol: [1, string], priceScale: [2, uint32], sizeScale: [3, uint32], priceStep: [4, int64], sizeStep: [5, int64],
    description: [6, string], base: [7, string], quote: [8, string], source: [9, string], statusHandle: [10, uint32],
    assetClass: [11, string], sessionStartS: [12, enumeration], timeZone: [13, string], delisted: [14, bool],
  });
  const limits = message<WireLimits>({
    clientFrameBytes: [1, uint32], serverFrameBytes: [2, uint32], subscriptions: [3, uint32], symbolsPerRequest: [4, uint32],
    requestsPerSecond: [5, uint32],
  });
  const result = message<WireResult>({
    symbol: [1, string], channel: [2, string], handle: [3, uint32], code: [4, enumeration], text: [5, string],
    depth: [6, uint32], priceGroup: [7, int64], barSeconds: [8, uint32], tradeSummary: [9, bool], by: [10, string],
  });
  const range = message<WireRange>({ handle: [1, uint32], from: [2, uint64], to: [3, uint64], epoch: [4, wide], recovered: [5, bool] });
  return {
    statuses: [6, each(message<WireStatus>({
      handle: [1, uint32], stream: [2, enumeration], quality: [3, enumeration], trading: [4, enumeration], reason: [5, string],
    }))],
    cutTimeUs: [7, fixed64],
    conflated: [8, uint32],
    sourceStatuses: [9, each(message<WireSourceStatus>({
      source: [1, string], stream: [2, enumeration], quality: [3, enumeration], reason: [4, string],
    }))],
    losses: [10, each(range)],
    gaps: [11, each(range)],
    partial: [12, bool],
    replyTo: [16, uint32],
    welcome: [17, maybe(message<WireWelcome>({
      session: [1, string], serverTimeUs: [2, int64], server: [3, string], limits: [4, limits], heartbeatMs: [5, uint32],
      cadencesMs: [6, uint32s],
    }))],
    subscribed: [18, maybe(message<WireSubscribed>({
      instruments: [1, each(instrument)], results: [2, each(result)], partial: [3, bool],
    }))],
    grants: [20, each(message<WireGrant>({
      handles: [1, uint32s], cadenceMs: [2, uint32], depth: [3, uint32], delayMs: [4, uint32], reason: [5, enumeration],
      policy: [6, wide],
    }))],
    pong: [21, maybe(message<WirePong>({ clientTimeUs: [1, int64], serverTimeUs: [2, int64] }))],
    goaway: [23, maybe(message<WireGoAway>({ reason: [1, string], reconnectMinMs: [2, uint32], reconnectMaxMs: [3, uint32] }))],
    error: [24, maybe(message<WireError>({ code: [1, enumeration], text: [2, string] }))],
    instruments: [26, each(instrument)],
  };
}

/** Reads one frame. Rows that hold a number beyond 2^53 are marked; anything else that is wrong throws FeedError. */
export type Decoder = (bytes: Uint8Array) => ServerFrame;

/** Makes a decoder that reads the given lists of rows, and passes over others. */
export function makeDecoder(lists: RowLists): Decoder {
  const frame = message({ ...frameFields(), ...lists } as Fields<ServerFrame>);
  return (bytes) => frame.body(new Reader(bytes), frame.zero());
}
