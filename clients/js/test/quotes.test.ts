import { describe, expect, it } from 'vitest';
import { Quality, Trading } from './gen/feed/v1/feed_pb.js';
import { settle } from './support/clock.js';
import { World } from './support/world.js';

describe('quotes', () => {
  it('carry prices, times, status and what is not there', async () => {
    const w = new World(['a:X']);
    const store = w.client.quotes(['a:X']);
    await w.accept();
    w.server.quote('a:X', 6183763, { ingestUs: w.server.nowUs - 12_000 });
    await w.flush();
    const now = w.server.nowUs;
    expect(store.get('a:X')).toEqual({
      symbol: 'a:X',
      bid: 6183763,
      bidSize: 10,
      ask: 6183764,
      askSize: 20,
      cutTimeUs: now,
      ingestTimeUs: now - 12_000,
      exchangeTimeUs: now - 37_000,
      receivedMs: w.clock.now(),
      quality: 'ok',
      trading: 'open',
      full: true,
      instrument: expect.objectContaining({ symbol: 'a:X', priceScale: 2, source: 'a' }),
    });
    w.server.quote('a:X', 0, { has: 2, bid: 0, bidSize: 0, transitMs: 0 });
    await w.flush();
    expect(store.get('a:X')).toMatchObject({ bid: null, bidSize: null, ask: 1, exchangeTimeUs: null, full: false });
  });

  it('never apply a difference to nothing: the symbol is asked anew', async () => {
    const w = new World(['a:X', 'a:Y']);
    const store = w.client.quotes(['a:X', 'a:Y']);
    const session = await w.accept();
    const handle = w.server.handle(w.server.markets.get('a:X')!, 'quote');
    session.subscriptions.get(handle)!.sent = {
      bid: 90,
      bidSize: 1,
      ask: 91,
      askSize: 1,
      has: 7,
      transitMs: 0,
      ingestUs: 0,
      sequence: 1,
    };
    w.server.quote('a:X', 100, { sequence: 2 });
    w.server.quote('a:Y', 200);
    await w.flush();
    expect(store.get('a:X')).toBeUndefined();
    expect(store.get('a:Y')).toMatchObject({ bid: 200 });
    expect(w.errors).toEqual([expect.objectContaining({ code: 'protocol', text: expect.stringContaining('a:X') })]);
    await w.flush();
    expect(session.asked('unsubscribe').map((u) => u.handles)).toEqual([[handle]]);
    expect(store.get('a:X')).toMatchObject({ bid: 100, full: true });
  });

  it('ask anew ever more slowly where that does not help, and say so once each time', async () => {
    const w = new World(['a:X']);
    const store = w.client.quotes(['a:X']);
    const session = await w.accept();
    w.server.quote('a:X', 100, { bidSize: Number.MAX_SAFE_INTEGER });
    await w.flush();
    for (let s = 0; s < 120; s++) {
      w.server.quote('a:X', 100, { bidSize: 2 ** 60 + 4096 * s });
      await w.flush();
      await w.clock.advance(1000);
    }
    expect(session.asked('unsubscribe').length).toBeGreaterThan(3);
    expect(session.asked('unsubscribe').length).toBeLessThan(10);
    expect(w.errors.length).toBeLessThan(12);
    expect(w.errors.every((e) => e.code === 'unsafe-integer')).toBe(true);
    expect(store.get('a:X')!.quality).toBe('syncing');
    w.server.quote('a:X', 101);
    await w.clock.advance(31_000);
    await w.flush();
    expect(store.get('a:X')).toMatchObject({ bid: 101, bidSize: 10, quality: 'ok' });
  });

  it('hold their last value while the connection is away, then are replaced by full rows', async () => {
    const w = new World(['a:X']);
    const store = w.client.quotes(['a:X']);
    w.acceptAll();
    await w.accept();
    w.server.quote('a:X', 100);
    await w.flush();
    w.network.last.end();
    w.server.run++; // another node: other handles
    w.server.quote('a:X', 150);
    expect(store.get('a:X')).toMatchObject({ bid: 100 });
    await w.clock.advance(1000);
    await w.flush();
    expect(store.get('a:X')).toMatchObject({ bid: 150, full: true });
    expect(w.errors).toEqual([]);
  });

  it('of one cut come together though its frames are several', async () => {
    const w = new World(['a:X', 'a:Y']);
    const store = w.client.quotes(['a:X', 'a:Y']);
    const batches: string[][] = [];
    store.subscribe((rows) => batches.push(rows.map((r) => r.symbol)));
    const session = await w.accept();
    w.server.quote('a:X', 1);
    w.server.quote('a:Y', 2);
    const { quotes, ...frame } = session.rows() as any;
    session.send({ ...frame, quotes: [quotes[0]], partial: true });
    await settle();
    expect(batches).toEqual([]);
    session.send({ ...frame, quotes: [quotes[1]] });
    expect(batches).toEqual([['a:X', 'a:Y']]);
  });

  it('of handles that nobody knows are told once, of those let go never', async () => {
    const w = new World(['a:X']);
    const store = w.client.quotes(['a:X']);
    const session = await w.accept();
    w.server.quote('a:X', 1);
    const late = session.rows();
    store.close();
    await settle();
    session.send(late);
    session.send({ quotes: [{ handle: 77, sequence: 1n }] });
    session.send({ quotes: [{ handle: 77, sequence: 2n }] });
    expect(w.errors).toEqual([expect.objectContaining({ code: 'protocol', text: expect.stringContaining('77') })]);
  });
});

describe('status', () => {
  it('is the worse of the instrument and its source, on rows and by symbol', async () => {
    const w = new World(['a:X', 'b:Y']);
    const store = w.client.quotes(['a:X', 'b:Y']);
    const sources: unknown[] = [];
    const statuses: unknown[] = [];
    w.client.on('source', (e) => sources.push([e.source, e.quality]));
    w.client.on('status', (e) => statuses.push([e.symbol, e.quality, e.trading]));
    const session = await w.accept();
    w.server.quote('a:X', 1);
    w.server.quote('b:Y', 1);
    await w.flush();
    expect(statuses).toEqual([
      ['a:X', 'ok', 'open'],
      ['b:Y', 'ok', 'open'],
    ]);
    const changed: string[] = [];
    store.subscribe((rows) => changed.push(...rows.map((r) => `${r.symbol} ${r.quality}`)));
    session.send({ sourceStatuses: [{ source: 'a', quality: Quality.SUSPECT, stream: 1, reason: 'silent' }] });
    expect(store.get('a:X')).toMatchObject({ bid: 1, quality: 'suspect' });
    expect(w.client.statusOf('a:X')).toEqual({
      symbol: 'a:X',
      stream: 'open',
      quality: 'suspect',
      trading: 'open',
      reason: 'silent',
      sinceUs: 0,
    });
    expect(changed).toEqual(['a:X suspect']);
    // The instrument's own word does not hide the source's.
    w.server.markets.get('a:X')!.trading = Trading.HALTED;
    session.send({
      statuses: [
        {
          handle: w.server.handle(w.server.markets.get('a:X')!, 'status'),
          stream: 1,
          quality: Quality.OK,
          trading: Trading.HALTED,
        },
      ],
    });
    expect(store.get('a:X')).toMatchObject({ quality: 'suspect', trading: 'halted' });
    session.send({ sourceStatuses: [{ source: 'a', quality: Quality.OK, stream: 1 }] });
    expect(store.get('a:X')).toMatchObject({ quality: 'ok', trading: 'halted' });
    expect(sources.slice(-2)).toEqual([
      ['a', 'suspect'],
      ['a', 'ok'],
    ]);
    expect(w.client.statusOf('c:Z')).toBeUndefined();
  });
});

describe('status of several connections', () => {
  it('knows a source before its next instrument', async () => {
    const w = new World(['a:X', 'a:Y']);
    w.server.quality = Quality.SUSPECT;
    w.client.quotes(['a:X']);
    await w.accept();
    w.client.quotes(['a:Y']);
    w.server.last.sendStatuses = () => {}; // the source was told of already
    await settle();
    expect(w.client.statusOf('a:Y')).toMatchObject({ quality: 'suspect', reason: 'silent' });
  });

  it('forgets the handles of the connection before', async () => {
    const w = new World(['a:X']);
    w.client.quotes(['a:X']);
    w.acceptAll();
    await w.accept();
    const old = w.server.handle(w.server.markets.get('a:X')!, 'status');
    w.server.run++;
    w.network.last.end();
    await w.clock.advance(1000);
    w.server.last.send({ statuses: [{ handle: old, quality: Quality.SUSPECT }] });
    expect(w.client.statusOf('a:X')).toMatchObject({ quality: 'ok' });
  });
});
