/** Rows of books, bars, statistics and trade summaries. */

import type { Epoch } from '../types.js';
import { BYTES, FIXED32, VARINT, bool, each, optional, row, rowOf, sint32, sint64, string, uint32, uint64, wide, int64 } from './fields.js';
import type { RowLists } from './frame.js';
import type { Reader } from './reader.js';

export class WireBook {
  handle = 0;
  /** Pairs of price and size, each price as the difference to the one before in its list. */
  bids: number[] = [];
  asks: number[] = [];
  ageMs = 0;
  transitMs = 0;
  partial = false;
  sequence = 0;
  epoch: Epoch = 0;
  /** -1: absent. */
  checksum = -1;
  unsafe = false;
}

export interface WireSummary {
  handle: number; last: number; high: number; low: number; volume: number; trades: number; ageMs: number; transitMs: number;
  sequence: number; epoch: Epoch; unsafe: boolean;
}
export interface WireBar {
  handle: number; open: number; high: number; low: number; close: number; volume: number; trades: number; vwap: number;
  startS: number; closed: boolean; ageMs: number; transitMs: number; unsafe: boolean;
}
export interface WireStats {
  handle: number; last: number; open: number; high: number; low: number; volume: number; trades: number; vwap: number;
  ageMs: number; transitMs: number; sessionOpen: number; sessionHigh: number; sessionLow: number; sessionVolume: number;
  sessionTrades: number; full: boolean; sessionVwap: number; sessionStartS: number; turnover: string; sessionTurnover: string;
  /** -1: absent. */
  has: number;
  previousClose: number; settlement: number; mark: number; index: number; openInterest: number; fundingRateE8: number;
  unsafe: boolean;
}

/** The lists of a frame that hold them. */
export const bookRows = (): RowLists => ({ books: [3, each(row(() => new WireBook(), readBook))] });

export const barRows = (): RowLists => ({
  bars: [4, each(rowOf<WireBar>({
    handle: [1, uint32], open: [2, sint64], high: [3, sint64], low: [4, sint64], close: [5, sint64], volume: [6, sint64],
    trades: [7, sint64], vwap: [8, sint64], startS: [9, int64], closed: [10, bool], ageMs: [11, uint32], transitMs: [12, sint32],
  }))],
});

export const statsRows = (): RowLists => ({
  stats: [5, each(rowOf<WireStats>({
    handle: [1, uint32], last: [2, sint64], open: [3, sint64], high: [4, sint64], low: [5, sint64], volume: [6, sint64],
    trades: [7, sint64], vwap: [8, sint64], ageMs: [9, uint32], transitMs: [10, sint32], sessionOpen: [11, sint64],
    sessionHigh: [12, sint64], sessionLow: [13, sint64], sessionVolume: [14, sint64], sessionTrades: [15, sint64], full: [16, bool],
    sessionVwap: [17, sint64], sessionStartS: [18, sint64], turnover: [19, string], sessionTurnover: [20, string], has: [21, optional],
    previousClose: [22, sint64], settlement: [23, sint64], mark: [24, sint64], index: [25, sint64], openInterest: [26, sint64],
    fundingRateE8: [27, sint64],
  }))],
});

export const summaryRows = (): RowLists => ({
  summaries: [13, each(rowOf<WireSummary>({
    handle: [1, uint32], last: [2, sint64], high: [3, sint64], low: [4, sint64], volume: [5, sint64], trades: [6, uint64],
    ageMs: [7, uint32], transitMs: [8, sint32], sequence: [9, uint64], epoch: [10, wide],
  }))],
});

function readBook(r: Reader, b: WireBook): void {
  while (r.pos < r.end) {
    const tag = r.tag();
    switch (tag) {
      case (1 << 3) | VARINT: b.handle = r.uint32(); break;
      case (2 << 3) | BYTES: sint64s(r, b.bids); break;
      case (2 << 3) | VARINT: b.bids.push(r.sint64()); break;
      case (3 << 3) | BYTES: sint64s(r, b.asks); break;
      case (3 << 3) | VARINT: b.asks.push(r.sint64()); break;
      case (4 << 3) | VARINT: b.ageMs = r.uint32(); break;
      case (5 << 3) | VARINT: b.transitMs = r.sint32(); break;
      case (6 << 3) | VARINT: b.partial = r.bool(); break;
      case (7 << 3) | VARINT: b.sequence = r.uint64(); break;
      case (8 << 3) | VARINT: b.epoch = r.wideUint64(); break;
      case (9 << 3) | FIXED32: b.checksum = r.fixed32(); break;
      default: r.skip(tag);
    }
  }
}

/** Appends a packed list to one. */
function sint64s(r: Reader, list: number[]): void {
  const outer = r.enter();
  while (r.pos < r.end) list.push(r.sint64());
  r.leave(outer);
}
