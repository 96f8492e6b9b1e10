import { describe, expect, it } from 'vitest';
import type { TradeEvent } from '../src/index.js';
import { settle } from './support/clock.js';
import { short, tape } from './support/tape.js';
import { World } from './support/world.js';

describe('trades', () => {
  it('come in order with their history, in a bounded ring', async () => {
    const w = new World(['a:X']);
    for (let i = 0; i < 30; i++) w.server.trade('a:X', 100 + i);
    const { store, events } = tape(w, ['a:X'], { history: 10, buffer: 5 });
    await w.accept();
    await w.flush();
    expect(short(events)).toEqual([21, 22, 23, 24, 25, 26, 27, 28, 29, 30]);
    expect(store.get('a:X').map((t) => t.sequence)).toEqual([26, 27, 28, 29, 30]);
    for (let i = 0; i < 100; i++) w.server.trade('a:X', 200 + i);
    await w.flush();
    expect(store.get('a:X').map((t) => t.price)).toEqual([295, 296, 297, 298, 299]);
    expect(store.get('a:X').at(-1)).toMatchObject({
      id: 1130,
      size: 1,
      aggressor: 'buy',
      kind: 'trade',
      refersTo: null,
      exchangeTimeUs: w.server.nowUs - 25_000,
      ingestTimeUs: w.server.nowUs,
    });
    expect(store.get('a:NO')).toEqual([]);
  });

  it('go on after a reconnect where they were, with none twice', async () => {
    const w = new World(['a:X']);
    const { events } = tape(w, ['a:X']);
    w.acceptAll();
    await w.accept();
    for (let i = 0; i < 3; i++) w.server.trade('a:X', 100);
    await w.flush();
    w.network.last.end();
    for (let i = 0; i < 3; i++) w.server.trade('a:X', 101);
    await w.clock.advance(1000);
    expect(w.server.last.asked('subscribe')[0]!.resume).toMatchObject([
      { symbol: 'a:X', channel: 'trade', epoch: 1n, sequence: 3n },
    ]);
    await w.flush();
    expect(short(events)).toEqual([1, 2, 3, 4, 5, 6]);
    // A server that does not resume sends its history: what was seen before is dropped.
    w.network.last.end();
    w.server.trade('a:X', 102);
    w.server.onRequest = (_, frame) => {
      if (frame.request.case === 'subscribe') frame.request.value.resume = [];
      return false;
    };
    await w.clock.advance(1000);
    await w.flush();
    expect(short(events)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('that are lost or never came are told in their place', async () => {
    const w = new World(['a:X']);
    const { events } = tape(w, ['a:X']);
    await w.accept();
    w.server.trade('a:X', 1);
    w.server.gap('a:X', 3);
    w.server.trade('a:X', 1);
    await w.flush();
    expect(short(events)).toEqual([1, 'gap 2-4', 5]);
    w.server.logSize = 2;
    for (let i = 0; i < 10; i++) w.server.trade('a:X', 2);
    await w.flush();
    expect(short(events)).toEqual([1, 'gap 2-4', 5, 'lost 6-13', 14, 15]);
    expect(events.find((e) => e.type === 'lost')).toEqual({
      type: 'lost',
      by: 'server',
      symbol: 'a:X',
      epoch: 1,
      from: 6,
      to: 13,
      count: 8,
    });
    expect(w.client.traffic.lost).toBe(11);
  });

  it('that a gap was told ahead of are still taken', async () => {
    const w = new World(['a:X']);
    const { events } = tape(w, ['a:X']);
    const session = await w.accept();
    const handle = w.server.handle(w.server.markets.get('a:X')!, 'trade');
    const full = (sequence: bigint) => ({ handle, price: 1n, sequence, epoch: 1n });
    session.send({ trades: [full(1n)] });
    session.send({ gaps: [{ handle, epoch: 1n, from: 4n, to: 6n }] });
    expect(short(events)).toEqual([1]);
    session.send({ trades: [full(2n), { handle }] });
    expect(short(events)).toEqual([1, 2, 3, 'gap 4-6']);
    session.send({ trades: [full(7n)] });
    expect(short(events)).toEqual([1, 2, 3, 'gap 4-6', 7]);
  });

  it('that are skipped without a word are told as a gap', async () => {
    const w = new World(['a:X']);
    const { events } = tape(w, ['a:X']);
    const session = await w.accept();
    const handle = w.server.handle(w.server.markets.get('a:X')!, 'trade');
    const full = (epoch: bigint, sequence: bigint) => ({ handle, price: 1n, sequence, epoch });
    session.send({ trades: [full(1n, 5n), full(1n, 9n)] });
    session.send({ trades: [full(2n, 3n)] });
    session.send({ trades: [full(1n, 10n)] }); // an older run says no more
    session.send({ losses: [{ handle, epoch: 2n, from: 6n, to: 7n }], trades: [full(2n, 10n)] });
    expect(short(events)).toEqual([5, 'gap 6-8', 9, 'gap 1-2', 3, 'gap 4-5', 'lost 6-7', 'gap 8-9', 10]);
  });

  it('of a server that lost count are new ones, not old ones seen again', async () => {
    const w = new World(['a:X']);
    w.server.epoch = 0;
    const { events } = tape(w, ['a:X']);
    w.acceptAll();
    await w.accept();
    for (let i = 0; i < 5; i++) w.server.trade('a:X', 100 + i);
    await w.flush();
    w.network.last.end();
    w.server.markets.get('a:X')!.log = [];
    w.server.markets.get('a:X')!.trades = 0;
    await w.clock.advance(1000);
    w.server.trade('a:X', 200);
    w.server.trade('a:X', 201);
    await w.flush();
    expect(events.map((e) => e.type === 'trade' && e.trade.price)).toEqual([100, 101, 102, 103, 104, 200, 201]);
  });

  it('beyond 2^53 are told as missing, and the rest goes on', async () => {
    const w = new World(['a:X']);
    const { events } = tape(w, ['a:X']);
    await w.accept();
    w.server.trade('a:X', 1);
    w.server.trade('a:X', 1, { size: 2 ** 60 });
    w.server.trade('a:X', 1);
    await w.flush();
    await w.flush();
    expect(short(events)).toEqual([1, 'gap 2-2', 3]);
    expect(w.errors).toEqual([expect.objectContaining({ code: 'unsafe-integer' })]);
  });
});

describe('what the server finds again', () => {
  async function open() {
    const w = new World(['a:X']);
    const told = tape(w, ['a:X'], { buffer: 50 });
    const session = await w.accept();
    const handle = w.server.handle(w.server.markets.get('a:X')!, 'trade');
    const full = (sequence: number) => ({ handle, price: BigInt(100 + sequence), size: 1n, exchangeTimeUs: BigInt(sequence), sequence: BigInt(sequence), epoch: 1n });
    const gap = (from: number, to: number, recovered: boolean) => ({ handle, from: BigInt(from), to: BigInt(to), epoch: 1n, recovered });
    const send = async (frame: object) => {
      session.send({ cutTimeUs: 1n, ...frame });
      await settle();
    };
    const held = () => told.store.get('a:X').map((t) => t.sequence);
    return { w, told, full, gap, send, held };
  }
  const told = (events: readonly TradeEvent[]) => events.map((e) => (e.type === 'gap' && e.recovered ? `found ${e.from}-${e.to}` : short([e])[0]));

  it('is told ahead of its trades, and none of them is missing', async () => {
    const { w, told: t, full, gap, send, held } = await open();
    await send({ trades: [full(1)] });
    await send({ gaps: [gap(2, 3, true)] });
    await send({ trades: [full(2), full(3), full(4)] });
    expect(told(t.events)).toEqual([1, 'found 2-3', 2, 3, 4]);
    expect([held(), w.client.traffic.lost]).toEqual([[1, 2, 3, 4], 0]);
  });

  it('takes its place among trades that came meanwhile, each once', async () => {
    const { w, told: t, full, gap, send, held } = await open();
    await send({ trades: [full(1)], gaps: [gap(2, 3, false)] });
    await send({ trades: [full(4)] });
    await send({ gaps: [gap(2, 3, true)], trades: [full(2), full(3)] });
    await send({ trades: [full(3), full(5)] });
    expect(told(t.events)).toEqual([1, 'gap 2-3', 4, 'found 2-3', 2, 3, 5]);
    expect(held()).toEqual([1, 2, 3, 4, 5]);
    expect(w.errors).toEqual([]);
  });
});
