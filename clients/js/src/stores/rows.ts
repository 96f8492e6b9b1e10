/**
 * The arithmetic of rows: full ones and differences, as feed.proto lays down. What a difference is added
 * to belongs to one subscription on one connection and ends with it.
 */

import type { Epoch } from '../types.js';
import { type WireQuote, type WireTrade, narrow } from '../wire/ticks.js';


/**
 * What came of a row. no-base: a difference without a full row before it. unsafe: a value beyond 2^53.
 * mismatch: a book that does not fit its checksum. After each of them the base is void until the next full row.
 */
export type Applied = 'ok' | 'no-base' | 'unsafe' | 'mismatch';

export const HAS_BID = 1;
export const HAS_ASK = 2;
export const HAS_EXCHANGE_TIME = 4;

/** The quote that the next difference is added to. */
export class QuoteBase {
  known = false;
  bid = 0;
  bidSize = 0;
  spread = 0;
  askSize = 0;
  transitMs = 0;
  has = 0;
  /** 0 where there is none. */
  ask = 0;
  /** Of the row applied last; never a difference. */
  ageMs = 0;
  full = false;

  apply(q: WireQuote): Applied {
    if (q.unsafe) return this.void('unsafe');
    this.full = q.sequence !== 0;
    if (this.full) {
      this.bid = this.bidSize = this.spread = this.askSize = this.transitMs = this.has = 0;
      this.known = true;
    } else if (!this.known) return 'no-base';
    this.bid += q.bid;
    this.bidSize += q.bidSize;
    this.spread += q.spread;
    this.askSize += q.askSize;
    this.transitMs += q.transitMs;
    if (q.has >= 0) this.has = q.has;
    this.ask = (this.has & HAS_ASK) !== 0 ? this.bid + this.spread : 0;
    this.ageMs = q.ageMs;
    const safe =
      Number.isSafeInteger(this.bid) &&
      Number.isSafeInteger(this.bidSize) &&
      Number.isSafeInteger(this.spread) &&
      Number.isSafeInteger(this.ask) &&
      Number.isSafeInteger(this.askSize);
    return safe ? 'ok' : this.void('unsafe');
  }

  private void(why: Applied): Applied {
    this.known = false;
    return why;
  }
}

/** The trade that the next difference is added to. */
export class TradeBase {
  known = false;
  price = 0;
  exchangeTimeUs = 0;
  transitMs = 0;
  id: number | bigint = 0;
  sequence = 0;
  epoch: Epoch = 0;

  apply(t: WireTrade): Applied {
    if (t.unsafe) return this.void('unsafe');
    if (t.sequence !== 0) {
      this.price = this.exchangeTimeUs = this.transitMs = this.id = 0;
      this.sequence = t.sequence;
      this.epoch = t.epoch;
      this.known = true;
    } else if (this.known) {
      this.sequence++;
    } else return 'no-base';
    this.price += t.price;
    this.exchangeTimeUs += t.exchangeTimeUs;
    this.transitMs += t.transitMs;
    this.id = nextId(this.id, t.id);
    const safe =
      Number.isSafeInteger(this.price) && Number.isSafeInteger(this.exchangeTimeUs) && Number.isSafeInteger(this.ingestTimeUs);
    return safe ? 'ok' : this.void('unsafe');
  }

  get ingestTimeUs(): number {
    return this.exchangeTimeUs + 1000 * this.transitMs;
  }

  private void(why: Applied): Applied {
    this.known = false;
    return why;
  }
}

/** Venues that count up by one send nothing, hence the one more. Ids wrap around at 64 bits. */
function nextId(before: number | bigint, difference: number | bigint): number | bigint {
  const one = before === 0 ? 0 : 1;
  if (typeof before === 'number' && typeof difference === 'number') {
    const id = before + difference + one;
    if (id >= 0 && Number.isSafeInteger(id)) return id;
  }
  return narrow(BigInt.asUintN(64, BigInt(before) + BigInt(difference) + BigInt(one)));
}

/** Whether the first position lies ahead of the second in time. */
export function before(epoch: Epoch, sequence: number, otherEpoch: Epoch, otherSequence: number): boolean {
  return epoch === otherEpoch ? sequence < otherSequence : epoch < otherEpoch;
}
