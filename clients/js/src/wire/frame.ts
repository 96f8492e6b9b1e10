/**
 * feed.v1.ServerFrame as plain objects: what this client uses of it. Fields and enum values that it does
 * not know are passed over, so servers may grow. A frame is read whole before anything of it is applied.
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
export interface WireLimits { clientFrameBytes: number; serverFrameBytes: number; subscriptions: number; symbolsPerRequest: number; requestsPerSecond: number }
export interface WireWelcome { session: string; serverTimeUs: number; server: string; limits: WireLimits; heartbeatMs: number; cadencesMs: number[] }
export interface WireInstrument {
  symbol: string; priceScale: number; sizeScale: number; priceStep: number; sizeStep: number;
  description: string; base: string; quote: string; source: string; statusHandle: number;
}
export interface WireResult { symbol: string; channel: string; handle: number; code: number; text: string }
export interface WireSubscribed { instruments: WireInstrument[]; results: WireResult[]; partial: boolean }
export interface WireGrant { handles: number[]; cadenceMs: number; depth: number; delayMs: number; reason: number; policy: number | bigint }
export interface WirePong { clientTimeUs: number; serverTimeUs: number }
export interface WireGoAway { reason: string; reconnectMinMs: number; reconnectMaxMs: number }
export interface WireError { code: number; text: string }

/** Absent messages are undefined. */
export class ServerFrame {
  readonly quotes: WireQuote[] = [];
  readonly trades: WireTrade[] = [];
  readonly statuses: WireStatus[] = [];
  cutTimeUs = 0;
  conflated = 0;
  readonly sourceStatuses: WireSourceStatus[] = [];
  readonly losses: WireRange[] = [];
  readonly gaps: WireRange[] = [];
  partial = false;
  replyTo = 0;
  welcome: WireWelcome | undefined;
  subscribed: WireSubscribed | undefined;
  readonly grants: WireGrant[] = [];
  pong: WirePong | undefined;
  goaway: WireGoAway | undefined;
  error: WireError | undefined;
  readonly instruments: WireInstrument[] = [];
}

// Wire types, to stand in tags.
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;

/**
 * Reads one frame. Rows that hold a number beyond 2^53 are marked, since the other rows are none the
 * worse for it; anything else that is wrong throws FeedError.
 */
export function decodeFrame(bytes: Uint8Array): ServerFrame {
  const r = new Reader(bytes);
  const f = new ServerFrame();
  while (r.pos < r.end) {
    const tag = r.tag();
    switch (tag) {
      case (1 << 3) | BYTES: f.quotes.push(readRow(r, new WireQuote(), readQuote)); break;
      case (2 << 3) | BYTES: f.trades.push(readRow(r, new WireTrade(), readTrade)); break;
      case (6 << 3) | BYTES: f.statuses.push(read(r, { handle: 0, stream: 0, quality: 0, trading: 0, reason: '' }, status)); break;
      case (7 << 3) | FIXED64: f.cutTimeUs = r.fixed64(); break;
      case (8 << 3) | VARINT: f.conflated = r.uint32(); break;
      case (9 << 3) | BYTES: f.sourceStatuses.push(read(r, { source: '', stream: 0, quality: 0, reason: '' }, sourceStatus)); break;
      case (10 << 3) | BYTES: f.losses.push(read(r, { handle: 0, from: 0, to: 0, epoch: 0 }, range)); break;
      case (11 << 3) | BYTES: f.gaps.push(read(r, { handle: 0, from: 0, to: 0, epoch: 0 }, range)); break;
      case (12 << 3) | VARINT: f.partial = r.bool(); break;
      case (16 << 3) | VARINT: f.replyTo = r.uint32(); break;
      case (17 << 3) | BYTES: f.welcome = read(r, f.welcome ?? { session: '', serverTimeUs: 0, server: '', limits: noLimits(), heartbeatMs: 0, cadencesMs: [] }, welcome); break;
      case (18 << 3) | BYTES: f.subscribed = read(r, f.subscribed ?? { instruments: [], results: [], partial: false }, subscribed); break;
      case (20 << 3) | BYTES: f.grants.push(read(r, { handles: [], cadenceMs: 0, depth: 0, delayMs: 0, reason: 0, policy: 0 }, grant)); break;
      case (21 << 3) | BYTES: f.pong = read(r, f.pong ?? { clientTimeUs: 0, serverTimeUs: 0 }, pong); break;
      case (23 << 3) | BYTES: f.goaway = read(r, f.goaway ?? { reason: '', reconnectMinMs: 0, reconnectMaxMs: 0 }, goaway); break;
      case (24 << 3) | BYTES: f.error = read(r, f.error ?? { code: 0, text: '' }, error); break;
      case (26 << 3) | BYTES: f.instruments.push(read(r, noInstrument(), instrument)); break;
      default: r.skip(tag);
    }
  }
  return f;
}

/** Reads a message into m, field by field. */
function read<M>(r: Reader, m: M, field: (r: Reader, m: M, tag: number) => void): M {
  const outer = r.enter();
  while (r.pos < r.end) field(r, m, r.tag());
  r.leave(outer);
  return m;
}

function readRow<M extends { unsafe: boolean }>(r: Reader, row: M, fields: (r: Reader, row: M) => void): M {
  const outer = r.enter();
  try {
    fields(r, row);
  } catch (e) {
    if (!(e instanceof FeedError && e.code === 'unsafe-integer')) throw e;
    row.unsafe = true;
  }
  r.leave(outer);
  return row;
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

function status(r: Reader, m: WireStatus, tag: number): void {
  switch (tag) {
    case (1 << 3) | VARINT: m.handle = r.uint32(); break;
    case (2 << 3) | VARINT: m.stream = r.int32(); break;
    case (3 << 3) | VARINT: m.quality = r.int32(); break;
    case (4 << 3) | VARINT: m.trading = r.int32(); break;
    case (5 << 3) | BYTES: m.reason = r.string(); break;
    default: r.skip(tag);
  }
}

function sourceStatus(r: Reader, m: WireSourceStatus, tag: number): void {
  switch (tag) {
    case (1 << 3) | BYTES: m.source = r.string(); break;
    case (2 << 3) | VARINT: m.stream = r.int32(); break;
    case (3 << 3) | VARINT: m.quality = r.int32(); break;
    case (4 << 3) | BYTES: m.reason = r.string(); break;
    default: r.skip(tag);
  }
}

function range(r: Reader, m: WireRange, tag: number): void {
  switch (tag) {
    case (1 << 3) | VARINT: m.handle = r.uint32(); break;
    case (2 << 3) | VARINT: m.from = r.uint64(); break;
    case (3 << 3) | VARINT: m.to = r.uint64(); break;
    case (4 << 3) | VARINT: m.epoch = r.wideUint64(); break;
    default: r.skip(tag);
  }
}

function welcome(r: Reader, m: WireWelcome, tag: number): void {
  switch (tag) {
    case (1 << 3) | BYTES: m.session = r.string(); break;
    case (2 << 3) | VARINT: m.serverTimeUs = r.int64(); break;
    case (3 << 3) | BYTES: m.server = r.string(); break;
    case (4 << 3) | BYTES: read(r, m.limits, limits); break;
    case (5 << 3) | VARINT: m.heartbeatMs = r.uint32(); break;
    case (6 << 3) | VARINT: case (6 << 3) | BYTES: r.uint32s((tag & 7) === BYTES, m.cadencesMs); break;
    default: r.skip(tag);
  }
}

function noLimits(): WireLimits {
  return { clientFrameBytes: 0, serverFrameBytes: 0, subscriptions: 0, symbolsPerRequest: 0, requestsPerSecond: 0 };
}

function limits(r: Reader, m: WireLimits, tag: number): void {
  switch (tag) {
    case (1 << 3) | VARINT: m.clientFrameBytes = r.uint32(); break;
    case (2 << 3) | VARINT: m.serverFrameBytes = r.uint32(); break;
    case (3 << 3) | VARINT: m.subscriptions = r.uint32(); break;
    case (4 << 3) | VARINT: m.symbolsPerRequest = r.uint32(); break;
    case (5 << 3) | VARINT: m.requestsPerSecond = r.uint32(); break;
    default: r.skip(tag);
  }
}

function subscribed(r: Reader, m: WireSubscribed, tag: number): void {
  switch (tag) {
    case (1 << 3) | BYTES: m.instruments.push(read(r, noInstrument(), instrument)); break;
    case (2 << 3) | BYTES: m.results.push(read(r, { symbol: '', channel: '', handle: 0, code: 0, text: '' }, result)); break;
    case (3 << 3) | VARINT: m.partial = r.bool(); break;
    default: r.skip(tag);
  }
}

function noInstrument(): WireInstrument {
  return { symbol: '', priceScale: 0, sizeScale: 0, priceStep: 0, sizeStep: 0, description: '', base: '', quote: '', source: '', statusHandle: 0 };
}

function instrument(r: Reader, m: WireInstrument, tag: number): void {
  switch (tag) {
    case (1 << 3) | BYTES: m.symbol = r.string(); break;
    case (2 << 3) | VARINT: m.priceScale = r.uint32(); break;
    case (3 << 3) | VARINT: m.sizeScale = r.uint32(); break;
    case (4 << 3) | VARINT: m.priceStep = r.int64(); break;
    case (5 << 3) | VARINT: m.sizeStep = r.int64(); break;
    case (6 << 3) | BYTES: m.description = r.string(); break;
    case (7 << 3) | BYTES: m.base = r.string(); break;
    case (8 << 3) | BYTES: m.quote = r.string(); break;
    case (9 << 3) | BYTES: m.source = r.string(); break;
    case (10 << 3) | VARINT: m.statusHandle = r.uint32(); break;
    default: r.skip(tag);
  }
}

function result(r: Reader, m: WireResult, tag: number): void {
  switch (tag) {
    case (1 << 3) | BYTES: m.symbol = r.string(); break;
    case (2 << 3) | BYTES: m.channel = r.string(); break;
    case (3 << 3) | VARINT: m.handle = r.uint32(); break;
    case (4 << 3) | VARINT: m.code = r.int32(); break;
    case (5 << 3) | BYTES: m.text = r.string(); break;
    default: r.skip(tag);
  }
}

function grant(r: Reader, m: WireGrant, tag: number): void {
  switch (tag) {
    case (1 << 3) | VARINT: case (1 << 3) | BYTES: r.uint32s((tag & 7) === BYTES, m.handles); break;
    case (2 << 3) | VARINT: m.cadenceMs = r.uint32(); break;
    case (3 << 3) | VARINT: m.depth = r.uint32(); break;
    case (4 << 3) | VARINT: m.delayMs = r.uint32(); break;
    case (5 << 3) | VARINT: m.reason = r.int32(); break;
    case (6 << 3) | VARINT: m.policy = r.wideUint64(); break;
    default: r.skip(tag);
  }
}

function pong(r: Reader, m: WirePong, tag: number): void {
  switch (tag) {
    case (1 << 3) | VARINT: m.clientTimeUs = r.int64(); break;
    case (2 << 3) | VARINT: m.serverTimeUs = r.int64(); break;
    default: r.skip(tag);
  }
}

function goaway(r: Reader, m: WireGoAway, tag: number): void {
  switch (tag) {
    case (1 << 3) | BYTES: m.reason = r.string(); break;
    case (2 << 3) | VARINT: m.reconnectMinMs = r.uint32(); break;
    case (3 << 3) | VARINT: m.reconnectMaxMs = r.uint32(); break;
    default: r.skip(tag);
  }
}

function error(r: Reader, m: WireError, tag: number): void {
  switch (tag) {
    case (1 << 3) | VARINT: m.code = r.int32(); break;
    case (2 << 3) | BYTES: m.text = r.string(); break;
    default: r.skip(tag);
  }
}
