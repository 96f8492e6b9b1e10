/** Any ServerFrame there is, for the official schemas to write and both readers to read. */

import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { type ServerFrame, ServerFrameSchema } from '../gen/feed/v1/feed_pb.js';
import { quoteNumbers } from './quotes.js';

const uint32 = fc.oneof(fc.nat(200), fc.integer({ min: 0, max: 0xffff_ffff }));
const MAX = BigInt(Number.MAX_SAFE_INTEGER);
/** What numbers hold, with the edges. */
const safe = fc.oneof(fc.bigInt(-300n, 300n), fc.bigInt(-MAX, MAX), fc.constantFrom(MAX, -MAX, 1n << 32n, -(1n << 31n), (1n << 28n) - 1n));
const safeUnsigned = safe.map((n) => (n < 0n ? -n : n));
const wide = fc.oneof(safeUnsigned, fc.bigInt(0n, (1n << 64n) - 1n));
const wideSigned = fc.oneof(safe, fc.bigInt(-(1n << 63n), (1n << 63n) - 1n));
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const few = <T>(one: fc.Arbitrary<T>) => fc.array(one, { maxLength: 4 });
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined });
/** Numbers of enums, also of ones that a newer server may have. */
const enumNumber = fc.oneof(fc.nat(8), fc.integer({ min: -3, max: 0x7fff_ffff }));

export const quote = fc.record({
  handle: uint32, bid: safe, bidSize: safe, spread: safe, askSize: safe, ageMs: uint32, transitMs: fc.integer(),
  has: maybe(uint32), sequence: safeUnsigned, epoch: wide,
});
export const trade = fc.record({
  handle: uint32, price: safe, size: safeUnsigned, aggressor: enumNumber, exchangeTimeUs: safe, transitMs: safe, id: wideSigned,
  kind: enumNumber, refersTo: safeUnsigned, sequence: safeUnsigned, epoch: wide,
});
const status = fc.record({ handle: uint32, stream: enumNumber, quality: enumNumber, trading: enumNumber, reason: text, sinceUs: safe });
const sourceStatus = fc.record({ source: text, stream: enumNumber, quality: enumNumber, reason: text });
const loss = fc.record({ handle: uint32, from: safeUnsigned, to: safeUnsigned, epoch: wide });
const gap = fc.record({ handle: uint32, from: safeUnsigned, to: safeUnsigned, epoch: wide, recovered: fc.boolean() });
const instrument = fc.record({
  symbol: text, priceScale: uint32, sizeScale: uint32, priceStep: safe, sizeStep: safe, description: text, base: text, quote: text,
  source: text, statusHandle: uint32, assetClass: text, sessionStartS: fc.integer(), timeZone: text, delisted: fc.boolean(),
});
const result = fc.record({
  symbol: text, channel: text, handle: uint32, code: enumNumber, text, depth: uint32, priceGroup: safe, barSeconds: uint32,
  tradeSummary: fc.boolean(), by: text,
});

const book = fc.record({
  handle: uint32, bids: few(safe), asks: few(safe), ageMs: uint32, transitMs: fc.integer(), partial: fc.boolean(), sequence: safeUnsigned,
  epoch: wide, checksum: maybe(uint32),
});
const bar = fc.record({
  handle: uint32, open: safe, high: safe, low: safe, close: safe, volume: safe, trades: safe, vwap: safe, startS: safe,
  closed: fc.boolean(), ageMs: uint32, transitMs: fc.integer(),
});
const stats = fc.record({
  handle: uint32, last: safe, open: safe, high: safe, low: safe, volume: safe, trades: safe, vwap: safe, ageMs: uint32,
  transitMs: fc.integer(), sessionOpen: safe, sessionHigh: safe, sessionLow: safe, sessionVolume: safe, sessionTrades: safe,
  full: fc.boolean(), sessionVwap: safe, sessionStartS: safe, turnover: text, sessionTurnover: text, has: maybe(uint32),
  previousClose: safe, settlement: safe, mark: safe, index: safe, openInterest: safe, fundingRateE8: safe,
});
const summary = fc.record({
  handle: uint32, last: safe, high: safe, low: safe, volume: safe, trades: safeUnsigned, ageMs: uint32, transitMs: fc.integer(),
  sequence: safeUnsigned, epoch: wide,
});
// What this client passes over.
const quoteText = fc.record({ symbol: text, bid: text, sequence: safeUnsigned });

export const serverFrame: fc.Arbitrary<ServerFrame> = fc
  .record({
    quotes: few(quote).map(quoteNumbers), trades: few(trade), books: few(book), bars: few(bar), stats: few(stats), tradeSummaries: few(summary), statuses: few(status),
    cutTimeUs: safeUnsigned, conflated: uint32, sourceStatuses: few(sourceStatus), losses: few(loss), gaps: few(gap), partial: fc.boolean(),
    replyTo: uint32,
    welcome: maybe(fc.record({
      session: text, serverTimeUs: safe, server: text, heartbeatMs: uint32, cadencesMs: few(uint32), alternates: few(text),
      limits: maybe(fc.record({ clientFrameBytes: uint32, serverFrameBytes: uint32, subscriptions: uint32, symbolsPerRequest: uint32, requestsPerSecond: uint32 })),
    })),
    subscribed: maybe(fc.record({ instruments: few(instrument), results: few(result), partial: fc.boolean() })),
    unsubscribed: maybe(fc.record({ handles: few(uint32) })),
    grants: few(fc.record({ handles: few(uint32), cadenceMs: uint32, depth: uint32, delayMs: uint32, reason: enumNumber, policy: wide })),
    pong: maybe(fc.record({ clientTimeUs: safe, serverTimeUs: safe })),
    heartbeat: maybe(fc.record({ serverTimeUs: safe })),
    goaway: maybe(fc.record({ reason: text, reconnectMinMs: uint32, reconnectMaxMs: uint32, alternates: few(text) })),
    error: maybe(fc.record({ code: enumNumber, text })),
    tokenExpiring: maybe(fc.record({ expiresUs: safe })),
    instruments: few(instrument), quoteTexts: few(quoteText),
  }, { requiredKeys: [] })
  .map((init) => create(ServerFrameSchema, init as any));
