import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BarEvent, BarOptions, BarRow } from '../src/index.js';
import { settle } from './support/clock.js';
import { Desk } from './support/desk.js';
import { World } from './support/world.js';

interface Bar {
  startS: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  trades: number;
  vwap: number;
  closed: boolean;
}

const bar = (startS: number, over: Partial<Bar> = {}): Bar => ({
  startS, open: 100, high: 110, low: 95, close: 105, volume: 7, trades: 3, vwap: 101, closed: false, ...over,
});

/** A bar as a full row: prices as differences to the open. */
const full = ({ startS, open, high, low, close, volume, trades, vwap, closed }: Bar) => ({
  open: BigInt(open), high: BigInt(high - open), low: BigInt(low - open), close: BigInt(close - open), volume: BigInt(volume),
  trades: BigInt(trades), vwap: BigInt(vwap - open), startS: BigInt(startS), closed,
});

/** What makes the bar `to` of the bar `from`. */
const difference = (from: Bar, to: Bar) => ({
  open: BigInt(to.open - from.open), high: BigInt(to.high - from.high), low: BigInt(to.low - from.low), close: BigInt(to.close - from.close),
  volume: BigInt(to.volume - from.volume), trades: BigInt(to.trades - from.trades), vwap: BigInt(to.vwap - from.vwap), closed: to.closed,
});

const values = (row: BarRow): Bar => {
  const { startS, open, high, low, close, volume, trades, vwap, closed } = row;
  return { startS, open, high, low, close, volume, trades, vwap, closed };
};
const short = (events: readonly BarEvent[]) =>
  events.map((e) => (e.type === 'bar' ? `${e.first ? 'first' : 'again'} ${e.bar.startS}${e.bar.closed ? ' closed' : ''}` : e.type));

async function open(options: BarOptions = {}) {
  const w = new World();
  const desk = new Desk(w);
  const store = w.client.bars(['a:X'], options);
  const events: BarEvent[] = [];
  store.subscribe((batch) => events.push(...batch));
  await w.accept();
  const send = (...rows: object[]) => desk.send({ bars: rows.map((row) => ({ handle: desk.handle('a:X', 'bar'), ...row })) });
  return { w, desk, store, events, send, held: () => store.get('a:X').map(values) };
}

it('asks for one length of bar, and for as many as are wished', async () => {
  const { desk } = await open({ seconds: 300, history: 50, cadenceMs: 250 });
  expect(desk.asked).toMatchObject([{ channels: ['bar'], barSeconds: 300, history: 50, cadenceMs: 250, depth: 0 }]);
  expect(() => new World().client.bars(['a:X'], { seconds: 7 })).toThrow(/seconds 7: want one of 1, 60, 300, 900, 3600, 86400/);
});

it('begins with the past, grows the newest, closes it, and mends an older one', async () => {
  const { store, events, send, held } = await open();
  const [first, second] = [bar(0 + 60, { closed: true }), bar(120)];
  await send(full(first), { ...full(second), ageMs: 2, transitMs: 30 });
  expect(short(events.splice(0))).toEqual(['first 60 closed', 'first 120']);
  expect(held()).toEqual([first, second]);
  const { ingestTimeUs, exchangeTimeUs, cutTimeUs, seconds } = store.get('a:X')[1]!;
  expect([cutTimeUs - ingestTimeUs, ingestTimeUs - exchangeTimeUs, seconds]).toEqual([2000, 30_000, 60]);
  const grown = bar(120, { high: 120, close: 118, volume: 12, trades: 4, vwap: 107 });
  await send({ ...difference(second, grown), transitMs: -10 });
  expect([short(events.splice(0)), held()]).toEqual([['again 120'], [first, grown]]);
  expect(store.get('a:X')[1]!.ingestTimeUs - store.get('a:X')[1]!.exchangeTimeUs).toBe(20_000);
  await send(difference(grown, { ...grown, closed: true }));
  const mended = { ...first, high: 109, volume: 6 };
  await send(full(mended));
  // The next difference is about the newest bar all the same.
  await send(difference({ ...grown, closed: true }, { ...grown, closed: true, volume: 13 }));
  expect(short(events)).toEqual(['again 120 closed', 'again 60 closed', 'again 120 closed']);
  expect(held()).toEqual([mended, { ...grown, closed: true, volume: 13 }]);
});

it('keeps as many as the store wishes, the newest', async () => {
  const { send, held } = await open({ buffer: 3 });
  for (let i = 1; i <= 100; i++) await send(full(bar(60 * i)));
  expect(held().map((b) => b.startS)).toEqual([5880, 5940, 6000]);
});

it('drops a bar whose trades were all cancelled, and takes it up again', async () => {
  const { events, send, held } = await open();
  const none = bar(120, { open: 0, high: 0, low: 0, close: 0, volume: 0, trades: 0, vwap: 0 });
  await send(full(bar(60)), full(bar(120)));
  await send(full(none));
  expect(held().map((b) => b.startS)).toEqual([60]);
  await send(difference(none, bar(120)));
  await send(full(bar(60, { trades: 0 })));
  expect(held()).toEqual([bar(120)]);
  expect(short(events)).toEqual(['first 60', 'first 120', 'gone', 'first 120', 'gone']);
});

it('asks anew for a difference to nothing, and for a bar beyond 2^53', async () => {
  const { w, desk, send } = await open();
  await send({ close: 1n });
  expect(desk.asked).toHaveLength(2);
  await send(full(bar(60)), { ...full(bar(120)), volume: 2n ** 53n });
  expect(w.errors.map((e) => e.code)).toEqual(['protocol', 'unsafe-integer']);
});

describe('after a reconnect', () => {
  it('joins what is held to what comes where the two meet', async () => {
    const { w, events, send, held } = await open();
    await send(full(bar(60, { closed: true })), full(bar(120)));
    w.network.last.end(1006);
    await w.clock.advance(1000);
    await w.accept();
    events.length = 0;
    await send(full(bar(120, { closed: true })), full(bar(180)));
    expect(short(events)).toEqual(['again 120 closed', 'first 180']);
    expect(held().map((b) => b.startS)).toEqual([60, 120, 180]);
  });

  it('lets go of what is held where there may be bars between', async () => {
    const { w, events, send, held } = await open();
    await send(full(bar(60)), full(bar(120)));
    w.network.last.end(1006);
    await w.clock.advance(1000);
    await w.accept();
    events.length = 0;
    await send(full(bar(180, { closed: true })), full(bar(240)));
    expect(short(events)).toEqual(['reset', 'first 180 closed', 'first 240']);
    expect(held().map((b) => b.startS)).toEqual([180, 240]);
  });
});

it('names closed bars that were lost', async () => {
  const { w, desk, events } = await open();
  await desk.send({ losses: [{ handle: desk.handle('a:X', 'bar'), from: 10n, to: 12n }] });
  expect(events).toEqual([{ type: 'lost', symbol: 'a:X', fromS: 600, toS: 720 }]);
  expect(w.client.traffic.lost).toBe(3);
});

it('gives a slow loop each bar once, and one that never comes a reset', async () => {
  const { store, send } = await open({ buffer: 4 });
  const loop = store[Symbol.asyncIterator]();
  for (let i = 0; i < 5; i++) await send(full(bar(60, { volume: 7 + i })));
  const events = (await loop.next()).value as BarEvent[];
  expect([short(events), events[0]!.type === 'bar' && events[0]!.bar.volume]).toEqual([['first 60'], 11]);
  for (let i = 1; i <= 500; i++) await send(full(bar(60 * i)));
  const late = (await loop.next()).value as BarEvent[];
  expect(late.length).toBeLessThanOrEqual(4 * 4 + 65);
  expect([late[0]!.type, short(late).at(-1)]).toEqual(['reset', 'first 30000']);
});

it('gives one who joins late the bars that are held, and keeps lengths apart', async () => {
  const { w, desk, send } = await open();
  await send(full(bar(60)), full(bar(120)));
  const late: string[] = [];
  w.client.bars(['a:X']).subscribe((events) => late.push(...short(events)));
  w.client.bars(['a:X'], { seconds: 1 });
  await settle();
  expect(late).toEqual(['first 60', 'first 120']);
  expect(desk.asked.map((s) => s.barSeconds)).toEqual([60, 1]);
});

it('equals the market whatever bars do', async () => {
  const step = fc.record({ start: fc.integer({ min: 1, max: 6 }), price: fc.integer({ min: -50, max: 50 }), size: fc.nat(9), closed: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { events, send, held } = await open();
      const truth = new Map<number, Bar>();
      const seen = new Map<number, Bar>();
      let newest: Bar | undefined;
      for (const { start, price, size, closed } of steps) {
        const before = truth.get(60 * start);
        const after = before === undefined
          ? bar(60 * start, { open: price, high: price, low: price, close: price, volume: size, trades: 1, vwap: price, closed })
          : { ...before, high: Math.max(before.high, price), low: Math.min(before.low, price), close: price, volume: before.volume + size, trades: before.trades + 1, closed };
        truth.set(after.startS, after);
        await send(newest !== undefined && newest.startS === after.startS ? difference(newest, after) : full(after));
        if (newest === undefined || after.startS >= newest.startS) newest = after;
        for (const e of events.splice(0)) if (e.type === 'bar') seen.set(e.bar.startS, values(e.bar));
        expect(held()).toEqual([...truth.values()].sort((a, b) => a.startS - b.startS));
      }
      expect(new Map([...seen].sort())).toEqual(new Map([...truth].sort()));
    }),
    { numRuns: 100 },
  );
});
