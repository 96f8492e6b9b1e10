/**
 * feed.v1.ServerFrame as plain objects: what this client uses of it. Fields and enum values that it does
 * not know are passed over, so servers may grow. A frame is read whole before anything of it is applied. Rows
 * are read by hand, since they are many; the rest by tables.
 */

import { FeedError } from '../errors.js';
import type { Epoch } from '../types.js';
import { Reader } from './reader.js';

/** A class, so that all rows share one shape and reading them stays fast. */
export class WireQuote {
  handle = 0;
  bid = 0;
  bidSize = 0;
  ask = 0;
  askSize = 0;
  ageMs = 0;
  transitMs = 0;
  /** -1: absent. */
  has = -1;
  sequence = 0;
  epoch: Epoch = 0;
  /** Some number was beyond 2^53; the rest is void but for the handle. */
  unsafe = false;
}

export class WireTrade {
  handle = 0;
  price = 0;
  size = 0;
  aggressor = 0;
  exchangeTimeUs = 0;
  transitMs = 0;
  id: number | bigint = 0;
  kind = 0;
  refersTo = 0;
  sequence = 0;
  epoch: Epoch = 0;
  unsafe = false;
}

export interface WireStatus { handle: number; stream: number; quality: number; trading: number; reason: string }
export interface WireSourceStatus { source: string; stream: number; quality: number; reason: string }
/** Of a Lost or a Gap. */
export interface WireRange { handle: number; from: number; to: number; epoch: Epoch }
export interface WireLimits {
  clientFrameBytes: number; serverFrameBytes: number; subscriptions: number; symbolsPerRequest: number; requestsPerSecond: number;
}
export interface WireWelcome {
  session: string; serverTimeUs: number; server: string; limits: WireLimits; heartbeatMs: number; cadencesMs: number[];
}
export interface WireInstrument {
  symbol: string; priceScale: number; sizeScale: number; priceStep: number; sizeStep: number;
  description: string; base: string; quote: string; source: string; statusHandle: number;
}
export interface WireResult { symbol: string; channel: string; handle: number; code: number; text: string }
export interface WireSubscribed { instruments: WireInstrument[]; results: WireResult[]; partial: boolean }
export interface WireGrant {
  handles: number[]; cadenceMs: number; depth: number; delayMs: number; reason: number; policy: number | bigint;
}
export interface WirePong { clientTimeUs: number; serverTimeUs: number }
export interface WireGoAway { reason: string; reconnectMinMs: number; reconnectMaxMs: number }
export interface WireError { code: number; text: string }

/** Absent messages are undefined. */
export interface ServerFrame {
  quotes: WireQuote[];
  trades: WireTrade[];
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

type Read<T> = (r: Reader, before: T) => T;

/** A type of field: its wire type, what it is when absent, and how it is read, given what came before. */
interface Type<T> {
  readonly wire: number;
  zero(): T;
  readonly read: Read<T>;
  /** A packed list also comes number by number. */
  readonly unpacked?: Read<T>;
}

// Wire types, to stand in tags.
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;

/** Numbers in varints. */
const varint = <T>(read: (r: Reader) => T, zero = 0 as T): Type<T> => ({ wire: VARINT, zero: () => zero, read });

const uint32 = varint((r) => r.uint32());
const enumeration = varint((r) => r.int32());
const uint64 = varint((r) => r.uint64());
const int64 = varint((r) => r.int64());
const wide = varint<number | bigint>((r) => r.wideUint64());
const bool = varint((r) => r.bool(), false);
const fixed64: Type<number> = { wire: FIXED64, zero: () => 0, read: (r) => r.fixed64() };
const string: Type<string> = { wire: BYTES, zero: () => '', read: (r) => r.string() };
const uint32s: Type<number[]> = {
  wire: BYTES,
  zero: () => [],
  read: (r, list) => list.concat(r.uint32s()),
  unpacked: (r, list) => list.concat(r.uint32()),
};

/** A repeated message. */
function each<M>(type: Type<M>): Type<M[]> {
  const read = (r: Reader, list: M[]) => {
    list.push(type.read(r, type.zero()));
    return list;
  };
  return { wire: BYTES, zero: () => [], read };
}

/** A message that may be absent; one that comes in pieces is put together. */
function maybe<M>(type: Type<M>): Type<M | undefined> {
  return { wire: BYTES, zero: () => undefined, read: (r, before) => type.read(r, before ?? type.zero()) };
}

/** Number and type of each field by name. */
type Fields<M> = { readonly [K in keyof M]-?: readonly [number: number, type: Type<M[K]>] };

/** A message by its fields. Others, and ones of another wire type, are passed over. */
function message<M extends object>(fields: Fields<M>): Type<M> & { body: Read<M> } {
  const names = Object.keys(fields) as Array<keyof M>;
  const byTag = new Map<number, [name: keyof M, read: Read<any>]>();
  for (const name of names) {
    const [number, { wire, read, unpacked }] = fields[name];
    byTag.set((number << 3) | wire, [name, read]);
    if (unpacked !== undefined) byTag.set((number << 3) | VARINT, [name, unpacked]);
  }
  /** Up to the end of what is being read. */
  const body = (r: Reader, m: M) => {
    while (r.pos < r.end) {
      const tag = r.tag();
      const field = byTag.get(tag);
      if (field === undefined) r.skip(tag);
      else m[field[0]] = field[1](r, m[field[0]]);
    }
    return m;
  };
  const read = (r: Reader, m: M) => {
    const outer = r.enter();
    body(r, m);
    r.leave(outer);
    return m;
  };
  const zero = () => Object.fromEntries(names.map((name) => [name, fields[name][1].zero()])) as M;
  return { wire: BYTES, zero, read, body };
}

/** A row. A number beyond 2^53 marks it, since the other rows of its frame are none the worse for it. */
function row<M extends { unsafe: boolean }>(zero: () => M, fields: (r: Reader, row: M) => void): Type<M> {
  const read = (r: Reader, m: M) => {
    const outer = r.enter();
    try {
      fields(r, m);
    } catch (e) {
      if (!(e instanceof FeedError && e.code === 'unsafe-integer')) throw e;
      m.unsafe = true;
    }
    r.leave(outer);
    return m;
  };
  return { wire: BYTES, zero, read };
}

function readQuote(r: Reader, q: WireQuote): void {
  while (r.pos < r.end) {
    const tag = r.tag();
    switch (tag) {
      case (1 << 3) | VARINT: q.handle = r.uint32(); break;
      case (2 << 3) | VARINT: q.bid = r.sint64(); break;
      case (3 << 3) | VARINT: q.bidSize = r.sint64(); break;
      case (4 << 3) | VARINT: q.ask = r.sint64(); break;
      case (5 << 3) | VARINT: q.askSize = r.sint64(); break;
      case (6 << 3) | VARINT: q.ageMs = r.uint32(); break;
      case (7 << 3) | VARINT: q.transitMs = r.sint32(); break;
      case (8 << 3) | VARINT: q.has = r.uint32(); break;
      case (9 << 3) | VARINT: q.sequence = r.uint64(); break;
      case (10 << 3) | VARINT: q.epoch = r.wideUint64(); break;
      default: r.skip(tag);
    }
  }
}

function readTrade(r: Reader, t: WireTrade): void {
  while (r.pos < r.end) {
    const tag = r.tag();
    switch (tag) {
      case (1 << 3) | VARINT: t.handle = r.uint32(); break;
      case (2 << 3) | VARINT: t.price = r.sint64(); break;
      case (3 << 3) | VARINT: t.size = r.uint64(); break;
      case (4 << 3) | VARINT: t.aggressor = r.int32(); break;
      case (5 << 3) | VARINT: t.exchangeTimeUs = r.sint64(); break;
      case (6 << 3) | VARINT: t.transitMs = r.sint64(); break;
      case (7 << 3) | VARINT: t.id = r.wideSint64(); break;
      case (8 << 3) | VARINT: t.kind = r.int32(); break;
      case (9 << 3) | VARINT: t.refersTo = r.uint64(); break;
      case (10 << 3) | VARINT: t.sequence = r.uint64(); break;
      case (11 << 3) | VARINT: t.epoch = r.wideUint64(); break;
      default: r.skip(tag);
    }
  }
}


const range: Fields<WireRange> = { handle: [1, uint32], from: [2, uint64], to: [3, uint64], epoch: [4, wide] };

/** The schemas, made at first use so that a bundle that reads no frame holds none of them. */
function schema() {
  const instrument = message<WireInstrument>({
    symbol: [1, string], priceScale: [2, uint32], sizeScale: [3, uint32], priceStep: [4, int64], sizeStep: [5, int64],
    description: [6, string], base: [7, string], quote: [8, string], source: [9, string], statusHandle: [10, uint32],
  });
  const limits = message<WireLimits>({
    clientFrameBytes: [1, uint32], serverFrameBytes: [2, uint32], subscriptions: [3, uint32], symbolsPerRequest: [4, uint32],
    requestsPerSecond: [5, uint32],
  });
  const result = message<WireResult>({
    symbol: [1, string], channel: [2, string], handle: [3, uint32], code: [4, enumeration], text: [5, string],
  });
  return message<ServerFrame>({
    quotes: [1, each(row(() => new WireQuote(), readQuote))],
    trades: [2, each(row(() => new WireTrade(), readTrade))],
    statuses: [6, each(message<WireStatus>({
      handle: [1, uint32], stream: [2, enumeration], quality: [3, enumeration], trading: [4, enumeration], reason: [5, string],
    }))],
    cutTimeUs: [7, fixed64],
    conflated: [8, uint32],
    sourceStatuses: [9, each(message<WireSourceStatus>({
      source: [1, string], stream: [2, enumeration], quality: [3, enumeration], reason: [4, string],
    }))],
    losses: [10, each(message(range))],
    gaps: [11, each(message(range))],
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
  });
}

let serverFrame: ReturnType<typeof schema> | undefined;

/**
 * Reads one frame. Rows that hold a number beyond 2^53 are marked; anything else that is wrong throws
 * FeedError.
 */
export function decodeFrame(bytes: Uint8Array): ServerFrame {
  serverFrame ??= schema();
  return serverFrame.body(new Reader(bytes), serverFrame.zero());
}
