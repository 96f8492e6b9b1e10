import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QuoteBase, TradeBase, before } from '../src/stores/rows.js';
import { WireQuote, WireTrade } from '../src/wire/ticks.js';

const quote = (over: Partial<WireQuote>) => Object.assign(new WireQuote(), over);
const trade = (over: Partial<WireTrade>) => Object.assign(new WireTrade(), over);

describe('quotes', () => {
  it('takes a full row from zero and adds differences', () => {
    const base = new QuoteBase();
    expect(base.apply(quote({ sequence: 9, bid: 100, bidSize: 5, spread: 10, askSize: 7, has: 7, ageMs: 4, transitMs: 30 }))).toBe(
      'ok',
    );
    expect(base).toMatchObject({ bid: 100, ask: 110, has: 7, ageMs: 4, transitMs: 30, full: true });
    expect(base.apply(quote({ bid: -1, askSize: 3, transitMs: -5 }))).toBe('ok');
    // The age is never a difference: absent, it is 0.
    expect(base).toMatchObject({ bid: 99, bidSize: 5, ask: 109, askSize: 10, has: 7, ageMs: 0, transitMs: 25, full: false });
    expect(base.apply(quote({ bid: -99, bidSize: -5, spread: 99, has: 6 }))).toBe('ok');
    expect(base).toMatchObject({ bid: 0, bidSize: 0, ask: 109, has: 6 });
    expect(base.apply(quote({ sequence: 20, bid: 7, has: 1 }))).toBe('ok');
    expect(base).toMatchObject({ bid: 7, bidSize: 0, ask: 0, askSize: 0, has: 1, transitMs: 0 });
  });

  it('refuses a difference to nothing', () => {
    expect(new QuoteBase().apply(quote({ bid: 1 }))).toBe('no-base');
  });

  it('is void after a value beyond 2^53 until the next full row', () => {
    const base = new QuoteBase();
    base.apply(quote({ sequence: 1, bid: Number.MAX_SAFE_INTEGER, has: 1 }));
    expect(base.apply(quote({ bid: 1 }))).toBe('unsafe');
    expect(base.apply(quote({ bid: -5 }))).toBe('no-base');
    expect(base.apply(quote({ sequence: 2, bid: 3, has: 1 }))).toBe('ok');
    expect(base.apply(quote({ unsafe: true }))).toBe('unsafe');
    expect(base.apply(quote({ bid: 1 }))).toBe('no-base');
  });
});

describe('trades', () => {
  it('adds differences, and one to ids and sequences', () => {
    const base = new TradeBase();
    expect(base.apply(trade({ sequence: 41, epoch: 3, price: 500, exchangeTimeUs: 1_000_000, transitMs: 20, id: 900 }))).toBe(
      'ok',
    );
    expect(base.apply(trade({ price: -2, exchangeTimeUs: 50, transitMs: 1 }))).toBe('ok');
    expect(base).toMatchObject({
      price: 498,
      exchangeTimeUs: 1_000_050,
      transitMs: 21,
      id: 901,
      sequence: 42,
      epoch: 3,
      ingestTimeUs: 1_021_050,
    });
    base.apply(trade({ id: 9 }));
    expect(base).toMatchObject({ id: 911, sequence: 43 });
    base.apply(trade({ id: -912 })); // this one has none
    expect(base.id).toBe(0);
    base.apply(trade({ id: 0 })); // nor has this one
    expect(base.id).toBe(0);
    base.apply(trade({ id: 12 })); // behind none there is no one to add
    expect(base.id).toBe(12);
  });

  it('tells the arrival where the venue gives no time', () => {
    const base = new TradeBase();
    base.apply(trade({ sequence: 1, exchangeTimeUs: 0, transitMs: 1_700_000_000_123 }));
    expect(base.ingestTimeUs).toBe(1_700_000_000_123_000);
    base.apply(trade({ transitMs: 10 }));
    expect(base).toMatchObject({ exchangeTimeUs: 0, ingestTimeUs: 1_700_000_000_133_000 });
  });

  it('refuses a difference to nothing', () => {
    expect(new TradeBase().apply(trade({ price: 1 }))).toBe('no-base');
  });

  it('follows ids of 64 bits exactly', () => {
    const id = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(0n, 1000n), fc.bigInt(2n ** 53n - 20n, 2n ** 53n + 20n));
    fc.assert(
      fc.property(fc.array(id, { minLength: 1, maxLength: 20 }), (ids) => {
        const base = new TradeBase();
        let last = 0n;
        ids.forEach((id, i) => {
          // As the server writes it: a wrapping difference of 64 bits, less one behind an id.
          const difference = BigInt.asIntN(64, id - last - (last === 0n ? 0n : 1n));
          const wire = Number.isSafeInteger(Number(difference)) ? Number(difference) : difference;
          base.apply(trade({ sequence: i === 0 ? 1 : 0, id: wire }));
          expect(BigInt(base.id)).toBe(id);
          last = id;
        });
      }),
    );
  });
});

it('orders positions by epoch first, whatever the kind of number', () => {
  expect(before(1, 9, 2, 1)).toBe(true);
  expect(before(2, 1, 1, 9)).toBe(false);
  expect(before(5, 1, 5, 2)).toBe(true);
  expect(before(5, 2, 5, 2)).toBe(false);
  expect(before(5, 9, 2n ** 60n, 1)).toBe(true);
  expect(before(2n ** 60n, 1, 2n ** 60n, 2)).toBe(true);
});
