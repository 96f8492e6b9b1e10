import { afterEach, describe, expect, it, vi } from 'vitest';
import { type QuoteRow, type TradeEvent, createClient } from '../src/index.js';
import { settle } from './support/clock.js';
import { World } from './support/world.js';

const bids = (rows: readonly QuoteRow[]) => rows.map((r) => `${r.symbol}=${r.bid}`);

async function quotesWorld(symbols = ['a:X', 'a:Y']) {
  const w = new World(symbols);
  const store = w.client.quotes(symbols);
  const session = await w.accept();
  return { w, store, session };
}

describe('a store of quotes', () => {
  it('hands out what changed, and each row is an object of its own', async () => {
    const { w, store } = await quotesWorld();
    const seen: QuoteRow[][] = [];
    const stop = store.subscribe((rows) => seen.push([...rows]));
    w.server.quote('a:X', 1);
    w.server.quote('a:Y', 1);
    await w.flush();
    w.server.quote('a:X', 2);
    await w.flush();
    stop();
    w.server.quote('a:X', 3);
    await w.flush();
    expect(seen.map(bids)).toEqual([['a:X=1', 'a:Y=1'], ['a:X=2']]);
    expect(store.get('a:X')!.bid).toBe(3);
    expect(store.get('a:Y')).toBe(seen[0]![1]); // unchanged: the very same
    expect(store.stats).toMatchObject({ rows: 4, batches: 3 });
    expect(w.client.traffic).toMatchObject({ rows: 4, lost: 0, conflated: 0 });
  });

  it('tells the rate that there is, how old rows were, and what was merged into them', async () => {
    const { w, store, session } = await quotesWorld();
    expect(store.stats).toEqual({ rows: 0, batches: 0, rate: 0, conflated: 0, lost: 0, lagMs: undefined, transport: 'websocket' });
    for (let i = 0; i < 40; i++) {
      w.server.quote('a:X', i);
      if (i % 2 === 0) w.server.quote('a:Y', i);
      await w.clock.advance(500);
      session.send({ ...(session.rows() as object), conflated: 6 });
    }
    await settle();
    const { stats } = store;
    expect(stats.rate).toBeCloseTo(2, 0); // a call each half second
    expect(stats).toMatchObject({ rows: 60, batches: 40, conflated: 240, lagMs: 500 });
    await w.clock.advance(60_000);
    expect(store.stats.rate).toBeLessThan(0.001);
    // Of a frame with rows of several stores each has its share.
    const other = w.client.quotes(['a:Y']);
    await settle();
    w.server.quote('a:X', 1);
    w.server.quote('a:Y', 1);
    session.send({ ...(session.rows() as object), conflated: 10 });
    expect([store.stats.conflated, other.stats.conflated]).toEqual([250, 5]);
  });

  it('counts trades that will not come', async () => {
    const w = new World(['a:X']);
    const store = w.client.trades(['a:X']);
    await w.accept();
    w.server.trade('a:X', 1);
    w.server.gap('a:X', 7);
    w.server.trade('a:X', 2);
    await w.flush();
    expect([store.stats.lost, store.stats.rows]).toEqual([7, 3]);
  });

  it('is ready when everything that was asked has an answer', async () => {
    const w = new World(['a:X']);
    const store = w.client.quotes(['a:X', 'a:NONE', 'a:*', 'c:*']);
    let ready = false;
    const promise = store.ready().then((results) => ((ready = true), results));
    await settle();
    expect(ready).toBe(false);
    await w.accept();
    expect([...(await promise)].map(([symbol, r]) => [symbol, r.ok ? 'ok' : r.code])).toEqual([
      ['a:X', 'ok'], ['a:NONE', 'unknown-symbol'], ['a:*', 'ok'], ['c:*', 'no-match'],
    ]);
    expect(await store.ready()).toBe(store.results);
    const closed = w.client.quotes(['a:LATER']);
    const never = closed.ready();
    closed.close();
    expect((await never).size).toBe(0);
    expect((await w.client.quotes(['a:X'], { signal: AbortSignal.abort() }).ready()).size).toBe(0);
  });

  it('gives listeners that end by their stop, a signal, or the end of a block', async () => {
    const { w, store } = await quotesWorld(['a:X']);
    const seen: string[] = [];
    const abort = new AbortController();
    store.subscribe(() => seen.push('signal'), { signal: abort.signal });
    const stop = store.subscribe(() => seen.push('stop'));
    const state = w.client.on('error', () => {}, { signal: abort.signal });
    const move = async (bid: number) => {
      w.server.quote('a:X', bid);
      await w.flush();
      return seen.splice(0);
    };
    expect(await move(1)).toEqual(['signal', 'stop']);
    {
      using _ = store.subscribe(() => seen.push('using'));
      expect(await move(2)).toEqual(['signal', 'stop', 'using']);
    }
    expect(await move(3)).toEqual(['signal', 'stop']);
    abort.abort();
    stop();
    stop();
    state();
    store.subscribe(() => seen.push('never'), { signal: abort.signal });
    expect(await move(4)).toEqual([]);
  });

  it('counts what the server merged', async () => {
    const { w, session } = await quotesWorld();
    session.send({ conflated: 17 });
    session.send({ conflated: 3 });
    expect(w.client.traffic.conflated).toBe(20);
  });

  it('that joins late begins with the rows there are', async () => {
    const { w } = await quotesWorld();
    w.server.quote('a:X', 1);
    await w.flush();
    const late = w.client.quotes(['a:X']);
    const seen: string[] = [];
    late.subscribe((rows) => seen.push(...bids(rows)));
    expect(bids(late.rows())).toEqual(['a:X=1']);
    expect(seen).toEqual([]);
    await settle();
    expect(seen).toEqual(['a:X=1']);
  });

  it('refuses options that mean nothing', () => {
    const w = new World();
    for (const make of [
      () => w.client.quotes(['']),
      () => w.client.quotes([7 as any]),
      () => w.client.quotes(['a:X'], { cadenceMs: -1 }),
      () => w.client.quotes(['a:X'], { cadenceMs: 0.5 }),
      () => w.client.trades(['a:X'], { history: NaN }),
      () => w.client.trades(['a:X'], { buffer: Infinity }),
    ])
      expect(make).toThrow(expect.objectContaining({ code: 'bad-option' }));
    expect(w.network.sockets).toEqual([]);
  });

  it('ends by close, by its signal, and by `using`', async () => {
    const { w, session } = await quotesWorld(['a:X', 'a:Y', 'a:Z']);
    await settle();
    const abort = new AbortController();
    const aborted = w.client.quotes(['a:X'], { signal: abort.signal });
    const disposed = w.client.quotes(['a:X']);
    const seen: unknown[] = [];
    aborted.subscribe((rows) => seen.push(rows));
    disposed.subscribe((rows) => seen.push(rows));
    abort.abort();
    disposed[Symbol.dispose]();
    disposed.close();
    w.server.quote('a:X', 1);
    await w.flush();
    expect(seen).toEqual([]);
    expect(session.subscriptions.size).toBe(3);
    const never = w.client.trades(['a:X'], { signal: AbortSignal.abort() });
    await settle();
    expect(session.subscriptions.size).toBe(3);
    expect(await never[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
  });
});

describe('for await over quotes', () => {
  it('gives a slow loop the latest of each symbol, never a backlog', async () => {
    const { w, store } = await quotesWorld();
    const loop = store[Symbol.asyncIterator]();
    const first = loop.next();
    w.server.quote('a:X', 0);
    await w.flush();
    expect(bids((await first).value!)).toEqual(['a:X=0']);
    for (let i = 1; i <= 100; i++) {
      w.server.quote('a:X', i);
      if (i === 50) w.server.quote('a:Y', i);
      await w.flush();
    }
    expect(bids((await loop.next()).value!)).toEqual(['a:X=100', 'a:Y=50']);
  });

  it('begins with what is there, and ends with the store', async () => {
    const { w, store } = await quotesWorld();
    w.server.quote('a:X', 1);
    await w.flush();
    const seen: string[] = [];
    const done = (async () => {
      for await (const rows of store) seen.push(...bids(rows));
      return 'done';
    })();
    await settle();
    w.server.quote('a:X', 2);
    await w.flush();
    store.close();
    expect(await done).toBe('done');
    expect(seen).toEqual(['a:X=1', 'a:X=2']);
  });

  it('lets a loop be left, and others go on', async () => {
    const { w, store } = await quotesWorld();
    const left = (async () => {
      for await (const _ of store) break;
    })();
    const other = store[Symbol.asyncIterator]();
    w.server.quote('a:X', 1);
    await w.flush();
    await left;
    await other.next();
    const [one, two] = [other.next(), other.next()];
    w.server.quote('a:X', 2);
    await w.flush();
    w.server.quote('a:X', 3);
    await w.flush();
    expect([bids((await one).value!), bids((await two).value!)]).toEqual([['a:X=2'], ['a:X=3']]);
  });
});

describe('for await over trades', () => {
  it('gives every event in order', async () => {
    const w = new World(['a:X']);
    const store = w.client.trades(['a:X']);
    await w.accept();
    const loop = store[Symbol.asyncIterator]();
    for (let i = 0; i < 500; i++) {
      w.server.trade('a:X', i);
      if (i % 100 === 99) await w.flush();
    }
    const events = (await loop.next()).value as TradeEvent[];
    expect(events.map((e) => e.type === 'trade' && e.trade.price)).toEqual(Array.from({ length: 500 }, (_, i) => i));
  });

  it('tells a loop that falls behind its bound what it lost', async () => {
    const w = new World(['a:X', 'a:Y']);
    w.server.logSize = 10_000;
    const store = w.client.trades(['a:X', 'a:Y'], { buffer: 10 });
    await w.accept();
    const loop = store[Symbol.asyncIterator]();
    for (let i = 0; i < 3000; i++) {
      w.server.trade('a:X', i);
      if (i === 5) w.server.gap('a:Y', 4);
      if (i % 50 === 49) await w.flush();
    }
    const events = (await loop.next()).value as TradeEvent[];
    expect(events.length).toBeLessThanOrEqual(1002);
    const [y, x] = [
      events.find((e) => e.type === 'lost' && e.symbol === 'a:Y'),
      events.find((e) => e.type === 'lost' && e.symbol === 'a:X'),
    ];
    expect(y).toMatchObject({ by: 'consumer', from: 1, to: 4, count: 4 });
    const trades = events.flatMap((e) => (e.type === 'trade' ? [e.trade.sequence] : []));
    expect(x).toMatchObject({ by: 'consumer', from: 1, to: trades[0]! - 1, count: trades[0]! - 1 });
    expect(trades.at(-1)).toBe(3000);
    expect(trades.length + (x as any).count).toBe(3000);
  });

  it('gives a store that joins late what is held', async () => {
    const w = new World(['a:X']);
    w.client.trades(['a:X'], { buffer: 50 });
    await w.accept();
    for (let i = 1; i <= 20; i++) w.server.trade('a:X', i);
    await w.flush();
    const held = w.client.trades(['a:X'], { history: 0 });
    expect(held.get('a:X')).toHaveLength(20);
    expect(held.get('a:X')).toBe(held.get('a:X')); // the very same until there is another trade
    expect(held.get('a:NONE')).toBe(held.get('a:NONE'));
    const late = w.client.trades(['a:X'], { history: 3 });
    const seen: number[] = [];
    late.subscribe((events) => seen.push(...events.flatMap((e) => (e.type === 'trade' ? [e.trade.price] : []))));
    await settle();
    expect(seen).toEqual([18, 19, 20]);
  });
});

describe('listeners that throw', () => {
  const reported: unknown[] = [];
  const stub = () => vi.stubGlobal('reportError', (e: unknown) => reported.push(e));
  afterEach(() => {
    vi.unstubAllGlobals();
    reported.length = 0;
  });

  it('harm neither others nor the client, and are told of', async () => {
    stub();
    const { w, store } = await quotesWorld();
    const boom = new Error('boom');
    const seen: string[] = [];
    store.subscribe(() => {
      throw boom;
    });
    store.subscribe((rows) => seen.push(...bids(rows)));
    w.server.quote('a:X', 1);
    await w.flush();
    w.server.quote('a:X', 2);
    await w.flush();
    expect(seen).toEqual(['a:X=1', 'a:X=2']);
    expect(w.client.state).toBe('live');
    expect(w.errors.map((e) => [e.code, e.cause])).toEqual([
      ['callback', boom],
      ['callback', boom],
    ]);
    expect(reported).toEqual([]); // somebody listens
  });

  it('are told to the environment where nobody listens, and when the listener for errors throws itself', async () => {
    stub();
    const { w, store } = await quotesWorld();
    const boom = new Error('boom');
    const worse = new Error('worse');
    w.client.on('error', () => {
      throw worse;
    });
    store.subscribe(() => {
      throw boom;
    });
    w.server.quote('a:X', 1);
    await w.flush();
    expect(reported).toEqual([worse]);
    expect(w.client.state).toBe('live');
    const quiet = createClient({ url: 'ws://x/', WebSocket: w.network.WebSocket, clock: w.clock });
    quiet.on('state', () => {
      throw boom;
    });
    quiet.connect();
    expect(reported).toEqual([worse, boom]);
    quiet.close();
  });

  it('are called between frames, never within one', async () => {
    const { w, session, store } = await quotesWorld();
    w.client.on('error', () => w.client.close());
    w.client.on('source', () => w.client.close());
    w.server.quote('a:X', 1);
    w.server.quote('a:Y', 2);
    const { quotes, ...frame } = session.rows() as any;
    session.send({ ...frame, sourceStatuses: [{ source: 'a', quality: 2 }], quotes: [{ handle: 7 }, ...quotes] });
    expect(w.errors.map((e) => e.text)).toEqual([expect.stringContaining('handle 7')]);
    expect(bids(store.rows())).toEqual(['a:X=1', 'a:Y=2']);
    expect(w.client.state).toBe('closed');
  });

  it('may close what they listen to', async () => {
    const { w, store } = await quotesWorld();
    const other = w.client.quotes(['a:Y']);
    await settle();
    const seen: string[] = [];
    store.subscribe(() => {
      store.close();
      other.close();
      w.client.close();
    });
    other.subscribe((rows) => seen.push(...bids(rows)));
    w.server.quote('a:X', 1);
    w.server.quote('a:Y', 1);
    await w.flush();
    expect(w.client.state).toBe('closed');
    expect(seen).toEqual([]);
    expect(w.clock.waiting).toBe(0);
    expect(w.errors).toEqual([]);
  });
});
