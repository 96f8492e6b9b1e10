import { describe, expect, it } from 'vitest';
import type { TradeEvent } from '../src/index.js';
import { ErrorCode, GrantReason, Quality, Trading, Visibility } from './gen/feed/v1/feed_pb.js';
import { settle } from './support/clock.js';
import { World } from './support/world.js';

const many = (n: number, prefix = 'a:S') => Array.from({ length: n }, (_, i) => `${prefix}${i}`);

/** Events of trades in short: sequences, and ranges of what is missing. */
const short = (events: readonly TradeEvent[]) => events.map((e) => (e.type === 'trade' ? e.trade.sequence : `${e.type} ${e.from}-${e.to}`));

function tape(w: World, symbols: string[], options = {}) {
  const events: TradeEvent[] = [];
  const store = w.client.trades(symbols, options);
  store.subscribe((batch) => events.push(...batch));
  return { store, events };
}

describe('asking', () => {
  it('puts what is asked together into one request, each symbol once', async () => {
    const w = new World(['a:X', 'a:Y', 'a:Z']);
    const session = await w.up();
    w.client.quotes(['a:X', 'a:Y', 'a:X'], { cadenceMs: 100 });
    w.client.quotes(['a:Y', 'a:Z'], { cadenceMs: 100 });
    await settle();
    expect(session.asked('subscribe')).toHaveLength(1);
    expect(session.asked('subscribe')[0]).toMatchObject({ symbols: ['a:X', 'a:Y', 'a:Z'], channels: ['quote'], cadenceMs: 100 });
  });

  it('keeps channels, cadences and histories apart', async () => {
    const w = new World(['a:X', 'a:Y']);
    const session = await w.up();
    w.client.quotes(['a:X'], { cadenceMs: 0 });
    w.client.quotes(['a:Y']);
    w.client.trades(['a:X'], { history: 7 });
    await settle();
    expect(session.asked('subscribe').map((s) => [s.symbols, s.channels, s.cadenceMs, s.history])).toEqual([
      [['a:X'], ['quote'], 0, undefined],
      [['a:Y'], ['quote'], undefined, undefined],
      [['a:X'], ['trade'], undefined, 7],
    ]);
  });

  it('keeps within the symbols and bytes that the server allows', async () => {
    const symbols = many(500, 'a:LONG-NAME-');
    const w = new World(symbols);
    w.server.limits = { ...w.server.limits, clientFrameBytes: 2048, symbolsPerRequest: 60 };
    let longest = 0;
    const session = await w.up();
    const receive = session.receive.bind(session);
    session.receive = (data) => {
      longest = Math.max(longest, data.length);
      receive(data);
    };
    const store = w.client.quotes(symbols, { cadenceMs: 0 });
    await w.clock.advance(3000);
    expect(longest).toBeLessThanOrEqual(2048);
    expect(Math.max(...session.asked('subscribe').map((s) => s.symbols.length))).toBeLessThanOrEqual(60);
    expect(store.symbols()).toEqual(symbols);
  });

  it('spreads requests over time where they would be too many', async () => {
    const w = new World(many(100));
    w.server.limits = { ...w.server.limits, requestsPerSecond: 10, symbolsPerRequest: 2 };
    const session = await w.up();
    const store = w.client.quotes(many(100), { cadenceMs: 0 });
    let before = 0;
    for (let second = 0; second < 11; second++) {
      await w.clock.advance(1000);
      const sent = session.asked('subscribe').length;
      expect(sent - before).toBeLessThanOrEqual(5 + (second === 0 ? 5 : 0));
      before = sent;
    }
    expect(store.symbols()).toHaveLength(100);
  });

  it('sends the last of many rates, not all of them', async () => {
    const w = new World(['a:X']);
    const session = await w.up();
    const store = w.client.quotes(['a:X'], { cadenceMs: 1000 });
    await settle();
    for (let ms = 1000; ms >= 0; ms -= 10) {
      store.setRate(ms);
      await settle();
    }
    await w.clock.advance(2000);
    expect(session.asked('setRate').length).toBeLessThan(60);
    expect(session.asked('setRate').at(-1)!.cadenceMs).toBe(0);
    expect(store.grant).toMatchObject({ cadenceMs: 0, reason: 'wished' });
  });

  it('tries again what was refused as too much at once', async () => {
    const w = new World(['a:X']);
    let refusals = 2;
    w.server.onRequest = (session, frame) => {
      if (frame.request.case !== 'subscribe' || refusals-- <= 0) return false;
      session.send({ replyTo: frame.id, error: { code: ErrorCode.TOO_MANY_REQUESTS, text: 'slow down' } });
      return true;
    };
    const store = w.client.quotes(['a:X']);
    await w.accept();
    await w.clock.advance(5000);
    expect(w.server.last.asked('subscribe')).toHaveLength(3);
    expect(store.results.get('a:X')).toEqual({ ok: true });
    expect(w.errors.map((e) => [e.code, e.retrying])).toEqual([['too-many-requests', true], ['too-many-requests', true]]);
  });
});

describe('results', () => {
  it('tells of each symbol whether it was granted, and why not', async () => {
    const w = new World(['a:X']);
    const told: unknown[] = [];
    const store = w.client.quotes(['a:X', 'a:NO', 'b:*']);
    store.onResult((symbol, result) => told.push([symbol, result.ok, result.code]));
    await w.accept();
    expect(told).toEqual(expect.arrayContaining([['a:X', true, undefined], ['a:NO', false, 'unknown-symbol'], ['b:*', false, 'no-match']]));
    expect(store.results.get('a:NO')).toMatchObject({ ok: false, code: 'unknown-symbol', text: 'a:NO: not known here' });
    expect(store.symbols()).toEqual(['a:X']);
  });

  it('asks a refused symbol again on the next connection, and for the next store', async () => {
    const w = new World([]);
    const store = w.client.quotes(['a:NEW']);
    await w.accept();
    expect(store.results.get('a:NEW')!.ok).toBe(false);
    w.server.list('a:NEW');
    const other = w.client.quotes(['a:NEW']);
    await settle();
    expect([store, other].map((s) => s.results.get('a:NEW'))).toEqual([{ ok: true }, { ok: true }]);
  });

  it('tells a store that joins what is live at once', async () => {
    const w = new World(['a:X', 'a:Y']);
    w.client.quotes(['a:X', 'a:*']);
    const session = await w.accept();
    const asked = session.asked('subscribe').length;
    const store = w.client.quotes(['a:Y', 'a:*']);
    await settle();
    expect(session.asked('subscribe').length).toBe(asked);
    expect(Object.fromEntries(store.results)).toEqual({ 'a:X': { ok: true }, 'a:Y': { ok: true }, 'a:*': { ok: true } });
  });

  it('refuses a request as a whole where the server does', async () => {
    const w = new World(['a:X', 'a:Y']);
    w.server.onRequest = (session, frame) => {
      if (frame.request.case !== 'subscribe') return false;
      session.send({ replyTo: frame.id, error: { code: ErrorCode.NOT_SUPPORTED, text: 'not here' } });
      return true;
    };
    const store = w.client.quotes(['a:X', 'a:*']);
    await w.accept();
    expect(store.results.get('a:X')).toEqual({ ok: false, code: 'not-supported', text: 'not here' });
    expect(store.results.get('a:*')).toEqual({ ok: false, code: 'not-supported', text: 'not here' });
  });

  it('does not wait for a result that never comes', async () => {
    const w = new World(['a:X']);
    w.server.onRequest = (session, frame) => frame.request.case === 'subscribe' && (session.send({ replyTo: frame.id, subscribed: {} }), true);
    const store = w.client.quotes(['a:X']);
    await w.accept();
    expect(store.results.get('a:X')).toMatchObject({ ok: false });
  });
});

describe('sharing', () => {
  it('has one subscription at the fastest cadence that is wished', async () => {
    const w = new World(['a:X']);
    const session = await w.up();
    const handle = w.server.handle(w.server.markets.get('a:X')!, 'quote');
    const cadence = () => session.subscriptions.get(handle)?.cadenceMs;
    const slow = w.client.quotes(['a:X'], { cadenceMs: 1000 });
    await settle();
    expect(cadence()).toBe(1000);
    const fast = w.client.quotes(['a:X'], { cadenceMs: 100 });
    await settle();
    expect(cadence()).toBe(100);
    fast.setRate(0);
    await settle();
    expect(cadence()).toBe(0);
    fast.close();
    await settle();
    expect(cadence()).toBe(1000);
    const usual = w.client.quotes(['a:X']); // the server's default is 250
    await settle();
    expect(cadence()).toBe(250);
    slow.close();
    usual.close();
    await settle();
    expect(session.subscriptions.size).toBe(0);
    expect(session.asked('subscribe')).toHaveLength(1);
  });

  it('says nothing of a store that came and went in one go', async () => {
    const w = new World(['a:X', 'a:Y']);
    const session = await w.up();
    const old = w.client.quotes(['a:X'], { cadenceMs: 100 });
    await settle();
    const before = session.requests.length;
    w.client.quotes(['a:Y']).close();
    w.client.quotes(['a:X'], { cadenceMs: 100 });
    old.close();
    await settle();
    expect(session.requests.length).toBe(before);
  });

  it('lets go what was closed before its answer came', async () => {
    const w = new World(['a:X', 'a:Y']);
    const session = await w.up();
    const held: Array<() => void> = [];
    w.server.onRequest = (s, frame) => {
      if (frame.request.case !== 'subscribe') return false;
      const { value } = frame.request;
      held.push(() => s.subscribe(frame.id, value));
      return true;
    };
    const first = w.client.quotes(['a:X']);
    const store = w.client.quotes(['a:X', 'a:*']);
    await settle();
    store.close();
    await settle();
    held.forEach((answer) => answer());
    await settle();
    expect([...session.subscriptions.values()].map((s) => s.market.symbol).sort()).toEqual(['a:X']);
    expect(first.symbols()).toEqual(['a:X']);
  });

  it('goes on with the rows it has when a pattern names it once more', async () => {
    const w = new World(['a:X', 'a:Y']);
    const store = w.client.quotes(['a:X']);
    await w.accept();
    w.server.quote('a:X', 100);
    await w.flush();
    w.client.quotes(['a:*']);
    await settle();
    w.server.quote('a:X', 101);
    await w.flush();
    expect(store.get('a:X')).toMatchObject({ bid: 101, full: false });
    expect(w.errors).toEqual([]);
  });

  it('hands a store each trade once, however often it names the symbol', async () => {
    const w = new World(['a:X']);
    w.client.trades(['a:X', 'a:*']);
    await w.accept();
    w.server.trade('a:X', 1);
    await w.flush();
    const { events } = tape(w, ['a:X', 'a:*', '*']);
    await settle();
    w.server.trade('a:X', 1);
    await w.flush();
    expect(short(events)).toEqual([1, 2]);
  });

  it('repairs the cadence that a pattern changed', async () => {
    const w = new World(['a:X', 'a:Y']);
    const session = await w.up();
    w.client.quotes(['a:X'], { cadenceMs: 0 });
    await settle();
    w.client.quotes(['a:*'], { cadenceMs: 1000 });
    await settle();
    await settle();
    expect([...session.subscriptions.values()].map((s) => [s.market.symbol, s.cadenceMs])).toEqual([['a:X', 0], ['a:Y', 1000]]);
  });
});

describe('patterns', () => {
  it('bring every match, and new ones after a reconnect', async () => {
    const w = new World(['a:X1', 'a:X2', 'b:Y']);
    const store = w.client.quotes(['a:*']);
    w.acceptAll();
    await w.accept();
    for (const s of ['a:X1', 'a:X2', 'b:Y']) w.server.quote(s, 100);
    await w.flush();
    expect(store.symbols()).toEqual(['a:X1', 'a:X2']);
    expect(store.rows().map((r) => r.symbol)).toEqual(['a:X1', 'a:X2']);
    w.server.list('a:X3');
    w.network.last.end();
    await w.clock.advance(1000);
    expect(store.symbols()).toEqual(['a:X1', 'a:X2', 'a:X3']);
    store.close();
    await settle();
    expect(w.server.last.subscriptions.size).toBe(0);
  });
});

describe('quotes', () => {
  it('carry prices, times, status and what is not there', async () => {
    const w = new World(['a:X']);
    const store = w.client.quotes(['a:X']);
    await w.accept();
    w.server.quote('a:X', 6183763, { ingestUs: w.server.nowUs - 12_000 });
    await w.flush();
    const now = w.server.nowUs;
    expect(store.get('a:X')).toEqual({
      symbol: 'a:X', bid: 6183763, bidSize: 10, ask: 6183764, askSize: 20, cutTimeUs: now, ingestTimeUs: now - 12_000, exchangeTimeUs: now - 37_000,
      receivedMs: w.clock.now(), quality: 'ok', trading: 'open', full: true, instrument: expect.objectContaining({ symbol: 'a:X', priceScale: 2, source: 'a' }),
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
    session.subscriptions.get(handle)!.sent = { bid: 90, bidSize: 1, ask: 91, askSize: 1, has: 7, transitMs: 0, ingestUs: 0, sequence: 1 };
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
    expect(statuses).toEqual([['a:X', 'ok', 'open'], ['b:Y', 'ok', 'open']]);
    const changed: string[] = [];
    store.subscribe((rows) => changed.push(...rows.map((r) => `${r.symbol} ${r.quality}`)));
    session.send({ sourceStatuses: [{ source: 'a', quality: Quality.SUSPECT, stream: 1, reason: 'silent' }] });
    expect(store.get('a:X')).toMatchObject({ bid: 1, quality: 'suspect' });
    expect(w.client.statusOf('a:X')).toEqual({ symbol: 'a:X', stream: 'open', quality: 'suspect', trading: 'open', reason: 'silent' });
    expect(changed).toEqual(['a:X suspect']);
    // The instrument's own word does not hide the source's.
    w.server.markets.get('a:X')!.trading = Trading.HALTED;
    session.send({ statuses: [{ handle: w.server.handle(w.server.markets.get('a:X')!, 'status'), stream: 1, quality: Quality.OK, trading: Trading.HALTED }] });
    expect(store.get('a:X')).toMatchObject({ quality: 'suspect', trading: 'halted' });
    session.send({ sourceStatuses: [{ source: 'a', quality: Quality.OK, stream: 1 }] });
    expect(store.get('a:X')).toMatchObject({ quality: 'ok', trading: 'halted' });
    expect(sources.slice(-2)).toEqual([['a', 'suspect'], ['a', 'ok']]);
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

describe('visibility and grants', () => {
  it('tells the server who is looking, again after a reconnect', async () => {
    const w = new World(['a:X']);
    const store = w.client.quotes(['a:X']);
    const grants: unknown[] = [];
    store.onGrant((g) => grants.push(g.reason));
    w.acceptAll();
    await w.accept();
    w.client.setVisibility('hidden');
    await settle();
    expect(w.server.last.visibility).toBe(Visibility.HIDDEN);
    expect(grants).toEqual(['default', 'hidden']);
    w.network.last.end();
    await w.clock.advance(1000);
    expect(w.server.last.visibility).toBe(Visibility.HIDDEN);
    w.client.setVisibility('paused');
    w.client.setVisibility('shown');
    await settle();
    expect(w.server.last.visibility).toBe(Visibility.SHOWN);
    expect(w.server.last.asked('setRate').map((r) => r.visibility)).toEqual([Visibility.HIDDEN, Visibility.SHOWN]);
    expect(() => w.client.setVisibility('gone' as any)).toThrow(expect.objectContaining({ code: 'bad-option' }));
  });

  it('tells the slowest of its grants', async () => {
    const w = new World(['a:X', 'a:Y']);
    const store = w.client.quotes(['a:X', 'a:Y'], { cadenceMs: 100 });
    const session = await w.accept();
    expect(store.grant).toEqual({ cadenceMs: 100, delayMs: 0, reason: 'wished' });
    const handle = w.server.handle(w.server.markets.get('a:Y')!, 'quote');
    session.send({ grants: [{ handles: [handle], cadenceMs: 2000, reason: GrantReason.CONGESTION }] });
    expect(store.grant).toMatchObject({ cadenceMs: 2000, reason: 'congestion' });
    expect(store.grantOf('a:X')).toMatchObject({ cadenceMs: 100 });
    session.send({ grants: [{ handles: [handle], cadenceMs: 100, reason: 99 as GrantReason }] });
    expect(store.grant).toMatchObject({ cadenceMs: 100 });
  });
});

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
    expect(store.get('a:X').at(-1)).toMatchObject({ id: 1130, size: 1, aggressor: 'buy', kind: 'trade', refersTo: null, exchangeTimeUs: w.server.nowUs - 25_000, ingestTimeUs: w.server.nowUs });
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
    expect(w.server.last.asked('subscribe')[0]!.resume).toMatchObject([{ symbol: 'a:X', channel: 'trade', epoch: 1n, sequence: 3n }]);
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
    expect(events.find((e) => e.type === 'lost')).toEqual({ type: 'lost', by: 'server', symbol: 'a:X', epoch: 1, from: 6, to: 13, count: 8 });
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
