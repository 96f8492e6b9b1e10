/** Rows of quotes and trades. They are read by hand, since they are many. */

import { FeedError } from '../errors.js';
import type { Epoch } from '../types.js';
import { BYTES, EMPTY, VARINT, each, row } from './fields.js';
import type { RowLists } from './frame.js';
import type { Reader } from './reader.js';

/** A class, so that all rows share one shape and reading them stays fast. */
export class WireQuote {
  handle = 0;
  bid = 0;
  bidSize = 0;
  /** The ask less the bid. */
  spread = 0;
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

/** The lists of a frame that hold them. */
export const quoteRows = (): RowLists => ({ quotes: [1, { wire: BYTES, zero: () => EMPTY, read: readQuotes, repeated: true }] });
export const tradeRows = (): RowLists => ({ trades: [2, each(row(() => new WireTrade(), readTrade))] });

/** A list of numbers: each row is its handle, a word whose bits say what numbers follow, and these. */
function readQuotes(r: Reader, before: WireQuote[]): WireQuote[] {
  const list = before === EMPTY ? [] : before;
  const outer = r.enter();
  while (r.pos < r.end) list.push(readQuote(r));
  r.leave(outer);
  return list;
}

function readQuote(r: Reader): WireQuote {
  const q = new WireQuote();
  q.handle = r.uint32();
  const fields = r.uint32();
  const { pos } = r;
  try {
    if ((fields & 1) !== 0) q.bid = r.sint64();
    if ((fields & 2) !== 0) q.bidSize = r.sint64();
    if ((fields & 4) !== 0) q.spread = r.sint64();
    if ((fields & 8) !== 0) q.askSize = r.sint64();
    if ((fields & 16) !== 0) q.ageMs = r.uint32();
    if ((fields & 32) !== 0) q.transitMs = r.sint32();
    if (fields > 63) {
      if ((fields & 64) !== 0) q.has = r.uint32();
      if ((fields & 128) !== 0) q.sequence = r.uint64();
      if ((fields & 256) !== 0) q.epoch = r.wideUint64();
      skip(r, fields >>> 9); // of newer servers
    }
  } catch (e) {
    if (!(e instanceof FeedError && e.code === 'unsafe-integer')) throw e;
    q.unsafe = true;
    r.pos = pos;
    skip(r, fields);
  }
  return q;
}

/** Passes over a number for each bit. */
function skip(r: Reader, bits: number): void {
  for (let left = bits; left !== 0; left &= left - 1) r.skip(VARINT);
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
      case (7 << 3) | VARINT: t.id = wideSint64(r); break;
      case (8 << 3) | VARINT: t.kind = r.int32(); break;
      case (9 << 3) | VARINT: t.refersTo = r.uint64(); break;
      case (10 << 3) | VARINT: t.sequence = r.uint64(); break;
      case (11 << 3) | VARINT: t.epoch = r.wideUint64(); break;
      default: r.skip(tag);
    }
  }
}

/** A sint64 that is an identity: a bigint where a number cannot hold it. */
function wideSint64(r: Reader): number | bigint {
  const wide = r.wideUint64();
  if (typeof wide === 'bigint') return narrow((wide >> 1n) ^ -(wide & 1n));
  const half = Math.floor(wide / 2);
  return wide % 2 === 0 ? half : -half - 1;
}

/** The number where it is exact, so that equal values are always of one type. */
export function narrow(n: bigint): number | bigint {
  const small = Number(n);
  return Number.isSafeInteger(small) ? small : n;
}
