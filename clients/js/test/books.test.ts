import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BookChange, BookOptions, BookSide } from '../src/index.js';
import { Levels, checksum } from '../src/stores/levels.js';
import { settle } from './support/clock.js';
import { Desk } from './support/desk.js';
import { World } from './support/world.js';

type Pair = readonly [price: number, size: number];

/** Levels as the wire has them: each price as the difference to the one before. */
function packed(levels: readonly Pair[]): bigint[] {
  let before = 0;
  return levels.flatMap(([price, size]) => {
    const difference = price - before;
    before = price;
    return [BigInt(difference), BigInt(size)];
  });
}

const pairs = (side: BookSide): Pair[] => Array.from({ length: side.length }, (_, i) => [side.price(i), side.size(i)] as const);
const best = (side: Map<number, number>, sign: 1 | -1): Pair[] => [...side].sort((a, b) => sign * (b[0] - a[0]));

/** The checksum by the book: bytes laid out and handed to a library. */
function truth(bids: readonly Pair[], asks: readonly Pair[]): number {
  const numbers = [bids, asks].flatMap((side) => side.slice(0, 100).flat());
  const bytes = Buffer.alloc(8 * numbers.length);
  numbers.forEach((n, i) => bytes.writeBigInt64LE(BigInt(n), 8 * i));
  return crc32(bytes);
}

async function open(options: BookOptions = {}) {
  const w = new World();
  const desk = new Desk(w);
  const book = w.client.book('a:X', options);
  const changes: BookChange[] = [];
  book.subscribe((change) => changes.push(change));
  await w.accept();
  const handle = desk.handle('a:X', 'book');
  const row = (more: object) => desk.send({ books: [{ handle, ...more }] });
  return { w, desk, book, changes, row, handle };
}

describe('a side', () => {
  it('is what a sorted map is, whatever comes', () => {
    const price = fc.oneof(fc.integer({ min: -50, max: 50 }), fc.maxSafeInteger());
    fc.assert(
      fc.property(fc.constantFrom(1 as const, -1 as const), fc.array(fc.tuple(price, fc.nat(3)), { maxLength: 200 }), (sign, sets) => {
        const side = new Levels(sign);
        const model = new Map<number, number>();
        for (const [price, size] of sets) {
          side.set(price, size);
          if (size === 0) model.delete(price);
          else model.set(price, size);
          expect(side.sizeAt(price)).toBe(size);
        }
        expect(pairs(side)).toEqual(best(model, sign));
        expect([side.price(side.length), side.size(-1)]).toEqual([NaN, NaN]);
      }),
    );
  });

  it('has the checksum of its bytes', () => {
    const side = fc.uniqueArray(fc.tuple(fc.maxSafeInteger(), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })), {
      selector: ([price]) => price,
      maxLength: 130,
    });
    fc.assert(
      fc.property(side, side, (b, a) => {
        const [bids, asks] = [new Levels(1), new Levels(-1)];
        for (const [price, size] of b) bids.set(price, size);
        for (const [price, size] of a) asks.set(price, size);
        expect(checksum(bids, asks)).toBe(truth(pairs(bids), pairs(asks)));
      }),
    );
  });
});

describe('a book', () => {
  it('asks for its view', async () => {
    const { desk, book } = await open({ depth: 20, priceGroup: 500, cadenceMs: 100 });
    expect(desk.asked).toMatchObject([{ symbols: ['a:X'], channels: ['book'], depth: 20, priceGroup: 500n, cadenceMs: 100 }]);
    expect(book.complete).toBe(false);
    expect(book.instrument).toMatchObject({ symbol: 'a:X', priceScale: 2 });
  });

  it.each([
    [{ depth: 7 }, /depth 7: want one of 0, 1, 5, 10, 20, 50, 100/],
    [{ depth: 10, priceGroup: 30 }, /priceGroup 30: want 0, or 1, 2 or 5 times a power of ten/],
    [{ depth: 10, priceGroup: 0.5 }, /priceGroup 0.5/],
    [{ priceGroup: 10 }, /priceGroup 10: want a depth/],
  ])('refuses the view %j', (view, why) => {
    expect(() => new World().client.book('a:X', view)).toThrow(why);
  });

  it.each(['a:*', '@majors'])('is of one symbol, not of %s', (symbol) => {
    expect(() => new World().client.book(symbol)).toThrow(/patterns and lists have no one book/);
  });

  it('is whole with the last part, and changes level by level from there', async () => {
    const { book, changes, row } = await open();
    await row({ bids: packed([[100, 5], [99, 6]]), asks: packed([[101, 7]]), sequence: 9n, epoch: 1n, partial: true });
    expect([book.complete, changes.length]).toEqual([false, 0]);
    expect(book.quality).toBe('syncing');
    await row({ asks: packed([[102, 8], [103, 9]]), sequence: 9n, epoch: 1n, ageMs: 3, transitMs: 20 });
    expect(book.complete).toBe(true);
    expect(changes.splice(0)).toEqual([{ reset: true, bids: [], asks: [] }]);
    expect([pairs(book.bids), pairs(book.asks)]).toEqual([[[100, 5], [99, 6]], [[101, 7], [102, 8], [103, 9]]]);
    const { cutTimeUs, ingestTimeUs, exchangeTimeUs } = book.times!;
    expect([cutTimeUs - ingestTimeUs, ingestTimeUs - exchangeTimeUs]).toEqual([3000, 20_000]);
    await row({ bids: packed([[100, 0], [98, 1]]), asks: packed([[102, 4]]), transitMs: -5 });
    expect(changes.splice(0)).toEqual([
      { reset: false, bids: [{ price: 100, size: 0 }, { price: 98, size: 1 }], asks: [{ price: 102, size: 4 }] },
    ]);
    expect(book.times!.ingestTimeUs - book.times!.exchangeTimeUs).toBe(15_000);
    expect([pairs(book.bids), book.asks.sizeAt(102)]).toEqual([[[99, 6], [98, 1]], 4]);
  });

  it('tells a level once that several frames of a cut changed', async () => {
    const { desk, changes, row, handle } = await open();
    await row({ bids: packed([[100, 5]]), sequence: 1n });
    changes.length = 0;
    await desk.send({ partial: true, books: [{ handle, bids: packed([[100, 6], [90, 1]]) }] });
    await desk.send({ books: [{ handle, bids: packed([[100, 7]]) }] });
    expect(changes).toEqual([{ reset: false, bids: [{ price: 100, size: 7 }, { price: 90, size: 1 }], asks: [] }]);
  });

  it('begins anew with the first part of another view', async () => {
    const { book, row } = await open();
    await row({ bids: packed([[100, 5], [99, 1]]), sequence: 4n, epoch: 1n, partial: true });
    await row({ bids: packed([[101, 2]]), sequence: 7n, epoch: 1n });
    expect(pairs(book.bids)).toEqual([[101, 2]]);
  });

  it('asks anew, once, for a difference to nothing', async () => {
    const { w, desk, book, row, handle } = await open();
    await desk.send({ books: [1n, 2n].map((size) => ({ handle, bids: [100n, size] })) });
    expect(w.errors.map((e) => e.code)).toEqual(['protocol']);
    expect(desk.session.asked('unsubscribe').map((u) => u.handles)).toEqual([[handle]]);
    expect(desk.asked).toHaveLength(2);
    await row({ bids: packed([[100, 5]]), sequence: 2n });
    expect([book.complete, pairs(book.bids)]).toEqual([true, [[100, 5]]]);
  });

  it('asks anew for a book that does not fit its checksum, and counts it', async () => {
    const { w, desk, book, row } = await open();
    const [bids, asks]: [Pair[], Pair[]] = [[[100, 5]], [[-3, 2 ** 40]]];
    await row({ bids: packed(bids), asks: packed(asks), sequence: 1n, checksum: truth(bids, asks) });
    expect(book.checksums).toEqual({ right: 1, wrong: 0 });
    await row({ bids: packed([[100, 6]]), checksum: truth(bids, asks) });
    expect([book.complete, book.quality, w.client.traffic.mismatches]).toEqual([false, 'syncing', 1]);
    expect(w.errors).toMatchObject([{ code: 'checksum', retrying: true }]);
    await settle();
    expect(desk.asked).toHaveLength(2);
    await row({ bids: packed([[100, 6]]), asks: packed(asks), sequence: 3n, checksum: truth([[100, 6]], asks) });
    expect([book.complete, book.checksums]).toEqual([true, { right: 2, wrong: 1 }]);
  });

  it('says that the server mends a hole, which is no fault of the quote', async () => {
    const { w, desk, book, changes, row } = await open();
    const quotes = w.client.quotes(['a:X']);
    await settle();
    await row({ bids: packed([[100, 5]]), sequence: 1n });
    await desk.send({ quotes: [{ handle: desk.handle('a:X', 'quote'), bid: 100n, has: 1, sequence: 1n }] });
    changes.length = 0;
    await desk.send({ statuses: [{ handle: desk.handle('a:X', 'status'), stream: 1, quality: 3, reason: 'book: 12 to 14 are missing' }] });
    expect([book.complete, book.quality, changes]).toEqual([true, 'syncing', [{ reset: false, bids: [], asks: [] }]]);
    expect(quotes.get('a:X')!.quality).toBe('ok');
    await desk.send({ statuses: [{ handle: desk.handle('a:X', 'status'), stream: 1, quality: 2, reason: 'silent' }] });
    expect([book.quality, quotes.get('a:X')!.quality]).toEqual(['suspect', 'suspect']);
  });

  it('stays readable while the connection is away, and says that it is not complete', async () => {
    const { w, book, changes, row } = await open();
    await row({ bids: packed([[100, 5]]), sequence: 1n });
    changes.length = 0;
    w.network.last.end(1006);
    await settle();
    expect([book.complete, pairs(book.bids), changes.length]).toEqual([false, [[100, 5]], 1]);
  });

  it('is one subscription for all who want the same view, and another for each other view', async () => {
    const { w, desk, book, row } = await open({ depth: 10 });
    await row({ bids: packed([[100, 5]]), sequence: 1n });
    const twin = w.client.book('a:X', { depth: 10 });
    const other = w.client.book('a:X', { depth: 50 });
    await settle();
    expect(desk.asked.map((s) => s.depth)).toEqual([10, 50]);
    expect([twin.complete, pairs(twin.bids), other.complete]).toEqual([true, [[100, 5]], false]);
    book.close();
    twin.close();
    await settle();
    expect(desk.session.asked('unsubscribe')).toHaveLength(1);
  });

  it('takes the view that is given where less is allowed than was wished', async () => {
    const w = new World();
    const desk = new Desk(w);
    desk.result = function (symbol, s, by = '') {
      return Desk.prototype.result.call(this, symbol, { ...s, depth: 5 }, by);
    };
    const [five, all] = [w.client.book('a:X', { depth: 5 }), w.client.book('a:X')];
    await w.accept();
    await desk.send({ books: [{ handle: desk.handle('a:X', 'book'), bids: packed([[100, 5]]), sequence: 1n }] });
    expect([five, all].map((b) => [b.complete, pairs(b.bids)])).toEqual([[true, [[100, 5]]], [true, [[100, 5]]]]);
    expect(w.errors).toEqual([]);
  });

  it('gives a slow loop each level once, as it is by then', async () => {
    const { book, row } = await open();
    await row({ bids: packed([[100, 5]]), sequence: 1n });
    const loop = book[Symbol.asyncIterator]();
    expect((await loop.next()).value).toEqual({ reset: true, bids: [], asks: [] });
    for (let size = 1; size <= 50; size++) await row({ bids: packed([[100, size]]), asks: packed([[110, 50 - size]]) });
    expect((await loop.next()).value).toEqual({ reset: false, bids: [{ price: 100, size: 50 }], asks: [{ price: 110, size: 0 }] });
    book.close();
    expect(await loop.next()).toEqual({ done: true, value: undefined });
  });

  it('equals the server through any run of snapshots in parts, differences, and mistakes', async () => {
    const level = fc.tuple(fc.integer({ min: -20, max: 20 }), fc.nat(4));
    const change = fc.record({ type: fc.constant('change' as const), bids: fc.array(level, { maxLength: 5 }), asks: fc.array(level, { maxLength: 5 }) });
    const step = fc.oneof(
      { weight: 6, arbitrary: change },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('snapshot' as const), parts: fc.integer({ min: 1, max: 4 }) }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('broken' as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { w, desk, book, changes, row } = await open();
        const [bids, asks] = [new Map<number, number>(), new Map<number, number>()];
        const shadow = { bids: new Map<number, number>(), asks: new Map<number, number>() };
        let sequence = 0n;
        const snapshot = async (parts: number) => {
          sequence++;
          const all = [best(bids, 1), best(asks, -1)] as const;
          for (let part = 1; part <= parts; part++) {
            const slice = (side: readonly Pair[]) => packed(side.slice(Math.floor(((part - 1) * side.length) / parts), Math.floor((part * side.length) / parts)));
            const last = part === parts;
            await row({ bids: slice(all[0]), asks: slice(all[1]), sequence, epoch: 1n, partial: !last, ...(last && { checksum: truth(...all) }) });
          }
        };
        const follow = () => {
          for (const change of changes.splice(0)) {
            for (const name of ['bids', 'asks'] as const) {
              if (change.reset) shadow[name] = new Map(pairs(book[name]));
              for (const { price, size } of change[name]) {
                if (size === 0) shadow[name].delete(price);
                else shadow[name].set(price, size);
              }
            }
          }
        };
        await snapshot(1);
        for (const step of steps) {
          if (step.type === 'snapshot') await snapshot(step.parts);
          else if (step.type === 'broken') {
            await row({ bids: packed([[1000, 1]]), checksum: 1 });
            await w.clock.advance(60_000); // however long the wait for the repair
            await w.clock.advance(60_000);
            if (w.client.state !== 'live') return; // it fell silent for too long: another test's matter
            await snapshot(1);
          } else {
            for (const [side, list] of [[bids, step.bids], [asks, step.asks]] as const)
              for (const [price, size] of list) {
                if (size === 0) side.delete(price);
                else side.set(price, size);
              }
            await row({ bids: packed(step.bids), asks: packed(step.asks), checksum: truth(best(bids, 1), best(asks, -1)) });
          }
          follow();
          expect(book.complete).toBe(true);
          expect([pairs(book.bids), pairs(book.asks)]).toEqual([best(bids, 1), best(asks, -1)]);
          expect([best(shadow.bids, 1), best(shadow.asks, -1)]).toEqual([best(bids, 1), best(asks, -1)]);
        }
        expect(w.client.traffic.mismatches).toBe(steps.filter((s) => s.type === 'broken').length);
        // More where the market stood still, to see whether rows are held back.
        expect(desk.asked.length).toBeGreaterThanOrEqual(1 + steps.filter((s) => s.type === 'broken').length);
      }),
      { numRuns: 60 },
    );
  });
});
