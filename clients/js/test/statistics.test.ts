import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type StatsRow, type StatusRow, type SummaryRow, formatChangePercent } from '../src/index.js';
import { settle } from './support/clock.js';
import { Desk } from './support/desk.js';
import { World } from './support/world.js';

function world() {
  const w = new World();
  return { w, desk: new Desk(w) };
}

describe('statistics', () => {
  async function open() {
    const { w, desk } = world();
    const store = w.client.stats(['a:X'], { cadenceMs: 1000 });
    const rows: StatsRow[] = [];
    store.subscribe((changed) => rows.push(...changed));
    await w.accept();
    return { w, desk, store, rows, send: (row: object) => desk.send({ stats: [{ handle: desk.handle('a:X', 'stats'), ...row }] }) };
  }

  it('takes a full row from zero and adds what follows', async () => {
    const { desk, store, rows, send } = await open();
    expect(desk.asked).toMatchObject([{ channels: ['stats'], cadenceMs: 1000 }]);
    await send({
      full: true, last: 105n, open: 100n, high: 110n, low: 90n, volume: 50n, trades: 7n, vwap: 101n, turnover: '5050.5', sessionStartS: 86400n,
      has: 0b10_0001, previousClose: 99n, fundingRateE8: -12n, ageMs: 4, transitMs: 10,
    });
    expect(store.get('a:X')).toMatchObject({
      last: 105,
      day: { open: 100, high: 110, low: 90, change: 5, volume: 50, turnover: '5050.5', vwap: 101, trades: 7 },
      session: null,
      sessionStartS: 86400,
      previousClose: 99,
      settlement: null,
      mark: null,
      index: null,
      openInterest: null,
      fundingRateE8: -12,
    });
    await send({ last: -6n, volume: 3n, trades: 1n, sessionOpen: 99n, sessionHigh: 99n, sessionLow: 99n, sessionVolume: 3n, sessionTrades: 1n, sessionVwap: 99n, sessionTurnover: '297' });
    expect(store.get('a:X')).toMatchObject({
      last: 99,
      day: { open: 100, change: -1, volume: 53, turnover: '5050.5', trades: 8 },
      session: { open: 99, change: 0, volume: 3, turnover: '297', vwap: 99, trades: 1 },
      previousClose: 99,
    });
    await send({ has: 0b100, mark: 77n, previousClose: -99n, turnover: '1.0' });
    expect(store.get('a:X')).toMatchObject({ previousClose: null, fundingRateE8: null, mark: 77, day: { turnover: '1.0' } });
    expect(rows).toHaveLength(3);
    expect(rows[0]).not.toBe(rows[1]);
  });

  it('has no last price where nothing was ever traded, and keeps it where the day is empty', async () => {
    const { store, send } = await open();
    await send({ full: true });
    expect(store.get('a:X')).toMatchObject({ last: null, day: null, session: null });
    await send({ full: true, last: 100n });
    expect(store.get('a:X')).toMatchObject({ last: 100, day: null });
  });

  it('asks anew for a difference to nothing and for sums beyond 2^53', async () => {
    const { w, desk, send } = await open();
    await send({ last: 1n });
    await send({ full: true, volume: BigInt(Number.MAX_SAFE_INTEGER) });
    await send({ volume: 1n });
    expect(w.errors.map((e) => e.code)).toEqual(['protocol', 'unsafe-integer']);
    await w.clock.advance(2000);
    expect(desk.asked).toHaveLength(3);
  });

  it('tells a change in per cent by whole numbers', () => {
    expect(formatChangePercent({ open: 100, change: 5 })).toBe('+5.00');
    expect(formatChangePercent({ open: 300, change: -1 })).toBe('-0.33');
    expect(formatChangePercent({ open: 100_000, change: 1 })).toBe('0.00');
    expect(formatChangePercent({ open: 20_000, change: -1 })).toBe('-0.01');
    expect(formatChangePercent({ open: 0, change: 1 })).toBe('–');
    expect(formatChangePercent({ open: -5, change: 1 })).toBe('–');
    expect(formatChangePercent(null)).toBe('–');
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), fc.integer({ min: -1e9, max: 1e9 }), (open, change) => {
        const percent = (change / open) * 100;
        expect(Math.abs(Number(formatChangePercent({ open, change })) - percent)).toBeLessThanOrEqual(0.005 + Math.abs(percent) * 1e-9);
      }),
    );
  });
});

describe('trade summaries', () => {
  it('are asked as trades, and what meets on the way is added up', async () => {
    const { w, desk } = world();
    const store = w.client.tradeSummaries(['a:X']);
    const trades = w.client.trades(['a:X']);
    const rows: SummaryRow[] = [];
    store.subscribe((changed) => rows.push(...changed));
    await w.accept();
    expect(desk.asked.map((s) => [s.channels, s.tradeSummary, s.history])).toEqual([[['trade'], true, 0], [['trade'], false, undefined]]);
    const handle = desk.handle('a:X', 'trade');
    const row = (last: number, high: number, low: number, volume: number, count: number) => ({
      handle, last: BigInt(last), high: BigInt(high - last), low: BigInt(low - last), volume: BigInt(volume), trades: BigInt(count), sequence: 9n, epoch: 1n,
    });
    const loop = store[Symbol.asyncIterator]();
    await desk.send({ tradeSummaries: [row(100, 105, 95, 10, 3)] });
    await desk.send({ partial: true, tradeSummaries: [row(101, 103, 99, 5, 2)] });
    await desk.send({ tradeSummaries: [row(98, 98, 90, 1, 1)] });
    expect(rows.map((r) => [r.last, r.high, r.low, r.volume, r.trades])).toEqual([
      [100, 105, 95, 10, 3],
      [98, 103, 90, 6, 3],
    ]);
    expect((await loop.next()).value).toMatchObject([{ last: 98, high: 105, low: 90, volume: 16, trades: 6, sequence: 9 }]);
    expect(store.get('a:X')).toMatchObject({ last: 98, trades: 1 });
    await desk.send({ losses: [{ handle, from: 3n, to: 5n, epoch: 1n }] });
    expect([w.client.traffic.lost, trades.symbols()]).toEqual([3, ['a:X']]);
    const late: SummaryRow[] = [];
    w.client.tradeSummaries(['a:X']).subscribe((changed) => late.push(...changed));
    await settle();
    expect(late).toEqual([]); // those trades were not its own
    w.network.last.end(1006);
    await w.clock.advance(1000);
    await w.accept();
    expect(desk.asked.at(-2)).toMatchObject({ tradeSummary: true, resume: [{ symbol: 'a:X', channel: 'trade', epoch: 1n, sequence: 9n }] });
  });
});

describe('statuses', () => {
  it('tells of instruments and their sources without prices', async () => {
    const { w, desk } = world();
    const store = w.client.status(['a:X']);
    const rows: StatusRow[] = [];
    store.subscribe((changed) => rows.push(...changed));
    await w.accept();
    expect(desk.asked).toMatchObject([{ symbols: ['a:X'], channels: ['status'] }]);
    const handle = desk.handle('a:X', 'status');
    await desk.send({ statuses: [{ handle, stream: 1, quality: 1, trading: 2, reason: 'news' }] });
    expect(store.get('a:X')).toMatchObject({ stream: 'open', quality: 'ok', trading: 'halted', reason: 'news', source: undefined, instrument: { symbol: 'a:X' } });
    await desk.send({ sourceStatuses: [{ source: 'a', stream: 1, quality: 2, reason: 'silent for 3 s' }] });
    expect(store.get('a:X')).toMatchObject({ quality: 'suspect', trading: 'halted', reason: 'silent for 3 s', source: { source: 'a', quality: 'suspect' } });
    expect(rows.length).toBe(2);
    const twin = w.client.status(['a:X']);
    expect(twin.get('a:X')).toMatchObject({ trading: 'halted' });
    store.close();
    twin.close();
    await settle();
    expect(desk.session.asked('unsubscribe').map((u) => u.handles)).toEqual([[handle]]);
  });

  it('knows at once what another channel brought', async () => {
    const { w, desk } = world();
    w.client.quotes(['a:X']);
    await w.accept();
    await desk.send({ statuses: [{ handle: desk.handle('a:X', 'status'), stream: 1, quality: 1, trading: 1 }] });
    const store = w.client.status(['a:X']);
    await settle();
    expect(store.get('a:X')).toMatchObject({ trading: 'open' });
  });
});
